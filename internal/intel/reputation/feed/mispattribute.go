package feed

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// mispAttribute is what is read of an attribute of MISP's core format
// (draft-dulaunoy-misp-core-format, section 2.4). Makers write numbers and truths as
// texts too.
type mispAttribute struct {
	kind, category, value          []byte
	toIDs, deleted                 []byte
	timestamp, firstSeen, lastSeen []byte
	tags                           []string
}

// on says whether a value stands for true.
func on(b []byte) bool { return string(b) == "true" || string(b) == "1" }

// mispTypes are the readers of the attribute types that name an object. Of types of
// two parts one is read: of "domain|ip" the name, because its address may serve
// others too.
func mispTypes() map[string]func([]byte) (reputation.Object, error) {
	email, cert := text(canon.Email), text(canon.Cert)
	out := map[string]func([]byte) (reputation.Object, error){
		"ip-src": address, "ip-dst": address, "ip-src|port": beforeBar(address), "ip-dst|port": barPort,
		"domain": asDomain, "hostname": asDomain, "hostname|port": barPort, "domain|ip": beforeBar(asDomain),
		"url": asURL, "AS": text(canon.ASN), "email": email, "email-src": email,
		"x509-fingerprint-md5": cert, "x509-fingerprint-sha1": cert, "x509-fingerprint-sha256": cert,
		"malware-sample": afterBar(asFile), "tlsh": text(canon.TLSH), "filename|tlsh": afterBar(text(canon.TLSH)), "ja4-fingerprint": text(canon.JA4),
	}
	for _, h := range [...]string{"md5", "sha1", "sha256"} {
		out[h], out["filename|"+h] = asFile, afterBar(asFile)
	}
	return out
}

// barPort reads "host|port".
func barPort(b []byte) (reputation.Object, error) {
	host, port, _ := strings.Cut(string(b), "|")
	return canon.Endpoint(bracketed(host) + ":" + port)
}

func beforeBar(read func([]byte) (reputation.Object, error)) func([]byte) (reputation.Object, error) {
	return func(b []byte) (reputation.Object, error) {
		host, _, _ := strings.Cut(string(b), "|")
		return read([]byte(host))
	}
}

func afterBar(read func([]byte) (reputation.Object, error)) func([]byte) (reputation.Object, error) {
	return func(b []byte) (reputation.Object, error) {
		return read(b[strings.LastIndexByte(string(b), '|')+1:])
	}
}

// object reads what an attribute names.
func (a *mispAttribute) object(types map[string]func([]byte) (reputation.Object, error)) (reputation.Object, error) {
	read := types[string(a.kind)]
	switch {
	case on(a.deleted):
		return reputation.Object{}, &Refusal{Problem: "deleted by its maker"}
	case len(a.kind) == 0:
		return reputation.Object{}, &Refusal{Problem: "not a MISP attribute", Mend: "each attribute has a type and a value"}
	case read == nil && string(a.kind) == "email-dst":
		return reputation.Object{}, &Refusal{Problem: "who received mail, not who sent it"}
	case read == nil:
		return reputation.Object{}, &Refusal{Problem: "an attribute that names no object: " + note(string(a.kind)), Mend: "addresses, names, URLs, hashes, certificates, mail addresses and autonomous systems are read"}
	case len(a.toIDs) > 0 && !on(a.toIDs):
		return reputation.Object{}, &Refusal{Problem: "not meant for detection (to_ids is false)", Mend: "it tells about the event only"}
	}
	return read(a.value)
}

// says is the kind that category and tags of an attribute name; none when they say
// nothing.
func (a *mispAttribute) says(words map[string]reputation.Kind) reputation.Kind {
	if k := tagged(words, a.tags); k != reputation.KindNone {
		return k
	}
	switch string(a.category) {
	case "Payload delivery":
		if kind := string(a.kind); kind == "url" || strings.HasPrefix(kind, "domain") || strings.HasPrefix(kind, "hostname") {
			return reputation.KindDistribution
		}
	case "Payload installation", "Artifacts dropped", "Antivirus detection":
		return reputation.KindMalware
	}
	return reputation.KindNone
}

// tagged is the worst kind that tags name.
func tagged(words map[string]reputation.Kind, tags []string) reputation.Kind {
	kind := reputation.KindNone
	for _, t := range tags {
		if k, ok := kindOf(words, t); ok {
			kind = worse(kind, k)
		}
	}
	return kind
}

// family is the name of a malware family that tags of MISP's galaxies or Malpedia name.
func family(tags []string) string {
	for _, t := range tags {
		before, value, found := strings.Cut(t, `="`)
		if !found {
			continue
		}
		switch strings.ToLower(before) {
		case "misp-galaxy:malpedia", "misp-galaxy:botnet", "misp-galaxy:mitre-malware", "misp-galaxy:ransomware", "misp-galaxy:rat", "misp-galaxy:tool",
			"misp-galaxy:banker", "misp-galaxy:stealer", "malware-family":
			return note(strings.TrimSuffix(value, `"`))
		}
	}
	return ""
}
