package feed

import (
	"bytes"
	"encoding/json"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// drop reads a line of Spamhaus DROP, DROPv6 or ASN-DROP: "prefix ; SBL number",
// "AS number ; name", or the JSON lines that replaced them
// (https://www.spamhaus.org/blocklists/do-not-route-or-peer/).
func drop(_ *lineReader, line []byte, c *reputation.Claim) (err error) {
	switch line[0] {
	case ';', '#':
		return nil
	case '{':
		return dropJSON(line, c)
	}
	entry, about, _ := bytes.Cut(line, []byte(";"))
	word, _ := field(entry)
	if len(word) > 2 && (word[0] == 'A' || word[0] == 'a') {
		c.Object, err = canon.ASN(string(word))
	} else {
		c.Object, err = address(word)
	}
	if about = trim(about); len(about) > 0 {
		c.Note = note(string(about))
	}
	return err
}

func dropJSON(line []byte, c *reputation.Claim) (err error) {
	var v struct {
		Type, CIDR, SBLID, ASName string
		ASN                       json.Number
	}
	if json.Unmarshal(line, &v) != nil {
		return &Refusal{Problem: "not a JSON object"}
	}
	switch {
	case v.CIDR != "":
		c.Object, err = address([]byte(v.CIDR))
	case v.ASN != "":
		c.Object, err = canon.ASN(v.ASN.String())
	case v.Type == "metadata":
		return nil
	default:
		return &Refusal{Problem: "neither cidr nor asn in the object", Mend: "use the format jsonl and map its members"}
	}
	if about := v.SBLID + v.ASName; about != "" {
		c.Note = note(about)
	}
	return err
}
