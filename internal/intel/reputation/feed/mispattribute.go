package feed

import (
	"encoding/json"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// mispAttribute is what is read of an attribute of MISP's core format
// (draft-dulaunoy-misp-core-format, section 2.4).
type mispAttribute struct {
	Type      string    `json:"type"`
	Category  string    `json:"category"`
	ToIDs     loose     `json:"to_ids"`
	Deleted   loose     `json:"deleted"`
	Value     loose     `json:"value"`
	Timestamp loose     `json:"timestamp"`
	FirstSeen loose     `json:"first_seen"`
	LastSeen  loose     `json:"last_seen"`
	Tags      []mispTag `json:"Tag"`
}

type mispTag struct {
	Name string `json:"name"`
}

// loose is a value that makers write as text, number or truth.
type loose string

// UnmarshalJSON implements json.Unmarshaler.
func (l *loose) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) > 1 && b[0] == '"':
		return json.Unmarshal(b, (*string)(l))
	case string(b) == "null":
		return nil
	}
	*l = loose(b)
	return nil
}

func (l loose) on() bool { return l == "true" || l == "1" }

// mispTypes are the readers of the attribute types that name an object. Of types of
// two parts one is read: of "domain|ip" the name, because its address may serve
// others too.
func mispTypes() map[string]func([]byte) (reputation.Object, error) {
	email, cert := text(canon.Email), text(canon.Cert)
	out := map[string]func([]byte) (reputation.Object, error){
		"ip-src": address, "ip-dst": address, "ip-src|port": beforeBar(address), "ip-dst|port": beforeBar(address),
		"domain": asDomain, "hostname": asDomain, "hostname|port": beforeBar(asDomain), "domain|ip": beforeBar(asDomain),
		"url": asURL, "AS": text(canon.ASN), "email": email, "email-src": email,
		"x509-fingerprint-md5": cert, "x509-fingerprint-sha1": cert, "x509-fingerprint-sha256": cert,
		"malware-sample": afterBar(asFile), "tlsh": text(canon.TLSH), "filename|tlsh": afterBar(text(canon.TLSH)), "ja4-fingerprint": text(canon.JA4),
	}
	for _, h := range [...]string{"md5", "sha1", "sha256"} {
		out[h], out["filename|"+h] = asFile, afterBar(asFile)
	}
	return out
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
	read := types[a.Type]
	switch {
	case a.Deleted.on():
		return reputation.Object{}, &Refusal{Problem: "deleted by its maker"}
	case a.Type == "":
		return reputation.Object{}, &Refusal{Problem: "not a MISP attribute", Mend: "each attribute has a type and a value"}
	case read == nil && a.Type == "email-dst":
		return reputation.Object{}, &Refusal{Problem: "who received mail, not who sent it"}
	case read == nil:
		return reputation.Object{}, &Refusal{Problem: "an attribute that names no object: " + note(a.Type), Mend: "addresses, names, URLs, hashes, certificates, mail addresses and autonomous systems are read"}
	case a.ToIDs != "" && !a.ToIDs.on():
		return reputation.Object{}, &Refusal{Problem: "not meant for detection (to_ids is false)", Mend: "it tells about the event only"}
	}
	return read([]byte(a.Value))
}

// kind is what category and tags of an attribute say; none when they say nothing.
func (a *mispAttribute) kind(words map[string]reputation.Kind) reputation.Kind {
	if k := tagged(words, a.Tags); k != reputation.KindNone {
		return k
	}
	switch a.Category {
	case "Payload delivery":
		if a.Type == "url" || strings.HasPrefix(a.Type, "domain") || strings.HasPrefix(a.Type, "hostname") {
			return reputation.KindDistribution
		}
	case "Payload installation", "Artifacts dropped", "Antivirus detection":
		return reputation.KindMalware
	}
	return reputation.KindNone
}

// tagged is the worst kind that tags name.
func tagged(words map[string]reputation.Kind, tags []mispTag) reputation.Kind {
	kind := reputation.KindNone
	for _, t := range tags {
		if k, ok := kindOf(words, t.Name); ok {
			kind = worse(kind, k)
		}
	}
	return kind
}

// family is the name of a malware family that tags of MISP's galaxies or Malpedia name.
func family(tags []mispTag) string {
	for _, t := range tags {
		before, value, found := strings.Cut(t.Name, `="`)
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
