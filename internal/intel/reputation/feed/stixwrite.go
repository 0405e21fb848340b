package feed

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Author is who answers for indicators that are written.
type Author struct {
	Name string // stands in the identifiers: the same author and object give the same indicator
	ID   string // identity object, "identity--UUID"; may be empty
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
}

// AppendIndicator appends a claim as an indicator of STIX 2.1. Now stands for times
// that the claim does not know. ok is false, and nothing is appended, for objects
// that STIX patterns cannot name (JA4, devices) and prefixes of URLs. What it
// writes, Open("stix") reads as the same claim, with the kind as a label.
func AppendIndicator(dst []byte, c *reputation.Claim, by Author, now uint32) (_ []byte, ok bool) {
	p, ok := patternOf(c.Object)
	if !ok {
		return dst, false
	}
	first := c.First
	if first == 0 {
		first = now
	}
	s := stixIndicator{Type: "indicator", SpecVersion: "2.1", ID: IndicatorID(by.Name, c.Object), CreatedBy: by.ID, Created: stixTime(first),
		Modified: stixTime(max(first, c.Last)), Name: c.Note, IndicatorTypes: []string{indicatorType(c.Kind)}, Labels: []string{c.Kind.String()},
		Confidence: c.Confidence, Pattern: p, PatternType: "stix", ValidFrom: stixTime(first)}
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
		return equals("url:value", "http://"+o.Text), !o.Below
	case reputation.TypeFile:
		return equals("file:hashes."+algorithm(o.Text), o.Text), true
	case reputation.TypeTLSH:
		return equals("file:hashes.TLSH", o.Text), true
	case reputation.TypeCert:
		return equals("x509-certificate:hashes."+algorithm(o.Text), o.Text), true
	case reputation.TypeEmail:
		return equals("email-addr:value", o.Text), true
	}
	return "", false
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
