package feed

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// Author is who answers for indicators that are written.
type Author struct {
	Name    string // stands in the identifiers: the same author and object give the same indicator
	ID      string // identity object, "identity--UUID"; may be empty
	Marking string // marking definition of all objects, as Marking gives it; may be empty
}

// Edition is what STIX says of one version of an object (STIX 2.1, section 3.6):
// all versions have the same ID and Created, and Modified rises.
type Edition struct {
	ID                string
	Created, Modified uint32 // seconds since 1970
	Revoked           bool   // the last version: it is no longer said
}

// Marking is the identifier of a marking definition of the traffic light protocol
// (STIX 2.1, section 7.2.1.4); ok is false for a word other than white, clear,
// green, amber and red.
func Marking(word string) (id string, ok bool) {
	switch word {
	case "white", "clear":
		id = "613f2e26-407d-48c7-9eca-b8e91df99dc9"
	case "green":
		id = "34098fce-860f-48ae-8e50-ebd3cc5e41da"
	case "amber":
		id = "f88d31f6-486f-44da-b317-01333bde0b82"
	case "red":
		id = "5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
	default:
		return "", false
	}
	return "marking-definition--" + id, true
}

// AppendIdentity appends the author as an identity of STIX 2.1 (section 4.5), with
// Name as his name.
func AppendIdentity(dst []byte, by Author, e Edition) []byte {
	b, _ := json.Marshal(struct { // strings and lists only: never fails
		Type        string   `json:"type"`
		SpecVersion string   `json:"spec_version"`
		ID          string   `json:"id"`
		Created     string   `json:"created"`
		Modified    string   `json:"modified"`
		Markings    []string `json:"object_marking_refs,omitempty"`
		Name        string   `json:"name"`
		Class       string   `json:"identity_class"`
	}{"identity", "2.1", e.ID, stixTime(e.Created), stixTime(e.Modified), by.markings(), by.Name, "organization"})
	return append(dst, b...)
}

func (a *Author) markings() []string {
	if a.Marking == "" {
		return nil
	}
	return []string{a.Marking}
}

// IndicatorID is the identifier of an author's indicator for an object: a UUID by
// name (RFC 4122, section 4.3), so that a later edition replaces an earlier one.
func IndicatorID(author string, o reputation.Object) string {
	h := sha1.New()
	h.Write([]byte{0x6c, 0x1e, 0x2f, 0x0a, 0x7d, 0x55, 0x4b, 0x8e, 0x9b, 0x3f, 0x41, 0x0d, 0xd2, 0x90, 0x5e, 0x77}) // our own name space
	h.Write([]byte(author + "\x00" + o.Type.String() + "\x00" + o.String()))
	sum := h.Sum(nil)[:16]
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	s := hex.EncodeToString(sum)
	return "indicator--" + s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// stixIndicator is an indicator as STIX 2.1 (section 4.7) writes it.
type stixIndicator struct {
	Type           string   `json:"type"`
	SpecVersion    string   `json:"spec_version"`
	ID             string   `json:"id"`
	CreatedBy      string   `json:"created_by_ref,omitempty"`
	Created        string   `json:"created"`
	Modified       string   `json:"modified"`
	Name           string   `json:"name,omitempty"`
	IndicatorTypes []string `json:"indicator_types"`
	Labels         []string `json:"labels"`
	Confidence     uint8    `json:"confidence,omitempty"`
	Pattern        string   `json:"pattern"`
	PatternType    string   `json:"pattern_type"`
	ValidFrom      string   `json:"valid_from"`
	ValidUntil     string   `json:"valid_until,omitempty"`
	Revoked        bool     `json:"revoked,omitempty"`
	Markings       []string `json:"object_marking_refs,omitempty"`
}

// AppendIndicator appends a claim as an indicator of STIX 2.1, in an edition of its
// own times. Now stands for times that the claim does not know. ok is false, and
// nothing is appended, for objects that STIX patterns cannot name (JA4, devices, paths
// alone) and prefixes of URLs. What it writes, Open("stix") reads as the same claim, with
// the kind as a label.
func AppendIndicator(dst []byte, c *reputation.Claim, by Author, now uint32) (_ []byte, ok bool) {
	first := c.First
	if first == 0 {
		first = now
	}
	return AppendEdition(dst, c, by, Edition{ID: IndicatorID(by.Name, c.Object), Created: first, Modified: max(first, c.Last)})
}

// AppendEdition is AppendIndicator for an edition that the caller keeps count of.
func AppendEdition(dst []byte, c *reputation.Claim, by Author, e Edition) (_ []byte, ok bool) {
	p, ok := patternOf(c.Object)
	if !ok {
		return dst, false
	}
	first := c.First
	if first == 0 {
		first = e.Created
	}
	s := stixIndicator{Type: "indicator", SpecVersion: "2.1", ID: e.ID, CreatedBy: by.ID, Created: stixTime(e.Created),
		Modified: stixTime(e.Modified), Name: c.Note, IndicatorTypes: []string{indicatorType(c.Kind)}, Labels: []string{c.Kind.String()},
		Confidence: c.Confidence, Pattern: p, PatternType: "stix", ValidFrom: stixTime(first), Revoked: e.Revoked, Markings: by.markings()}
	if c.Until > first {
		s.ValidUntil = stixTime(c.Until)
	}
	b, err := json.Marshal(&s)
	if err != nil {
		return dst, false
	}
	return append(dst, b...), true
}

// stixTime is a time as STIX writes it.
func stixTime(at uint32) string {
	return time.Unix(int64(at), 0).UTC().Format("2006-01-02T15:04:05.000Z")
}

// indicatorType is the word of indicator-type-ov for a kind.
func indicatorType(k reputation.Kind) string {
	switch k {
	case reputation.KindBenign, reputation.KindKnown:
		return "benign"
	case reputation.KindAnonymizer:
		return "anonymization"
	case reputation.KindNone, reputation.KindSuspicious:
		return "anomalous-activity"
	case reputation.KindBot:
		return "compromised"
	}
	return "malicious-activity"
}

// patternOf writes the pattern that names an object.
func patternOf(o reputation.Object) (string, bool) {
	switch o.Type {
	case reputation.TypePrefix:
		kind := "ipv6-addr"
		if o.Prefix.Addr().Is4() {
			kind = "ipv4-addr"
		}
		return equals(kind+":value", o.String()), true
	case reputation.TypeASN:
		return "[autonomous-system:number = " + strconv.FormatUint(uint64(o.Number), 10) + "]", true
	case reputation.TypeDomain:
		if o.Below {
			return "[domain-name:value = " + quote(o.Text) + " OR domain-name:value LIKE " + quote("%."+o.Text) + "]", true
		}
		return equals("domain-name:value", o.Text), true
	case reputation.TypeURL:
		return equals("url:value", "http://"+o.Text), !o.Below && !canon.IsPath(o)
	case reputation.TypeFile:
		return equals("file:hashes."+algorithm(o.Text), o.Text), true
	case reputation.TypeTLSH:
		return equals("file:hashes.TLSH", o.Text), true
	case reputation.TypeCert:
		return equals("x509-certificate:hashes."+algorithm(o.Text), o.Text), true
	case reputation.TypeEndpoint:
		return endpointPattern(o)
	case reputation.TypeEmail:
		return equals("email-addr:value", o.Text), true
	}
	return "", false
}

// endpointPattern names an address or name with its port.
func endpointPattern(o reputation.Object) (string, bool) {
	host, port, ok := canon.Host(o)
	return "[network-traffic:dst_ref.value = " + quote(host.String()) + " AND network-traffic:dst_port = " + strconv.Itoa(int(port)) + "]", ok
}

// algorithm names a hash by its length, quoted where STIX asks for it.
func algorithm(hash string) string {
	switch len(hash) {
	case 32:
		return "MD5"
	case 40:
		return "'SHA-1'"
	}
	return "'SHA-256'"
}

func equals(path, value string) string { return "[" + path + " = " + quote(value) + "]" }

func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
