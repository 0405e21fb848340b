package feed

import (
	"bytes"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed/jsonscan"
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
	var v struct{ kind, cidr, number, about []byte }
	var in jsonscan.Scanner
	in.Reset(line)
	p := pieces{Scanner: &in}
	if p.members("", func(name []byte) error {
		switch string(name) {
		case "type":
			return p.text("type", &v.kind)
		case "cidr":
			return p.text("cidr", &v.cidr)
		case "asn":
			return p.loose("asn", &v.number)
		case "sblid", "asname":
			return p.text("asname", &v.about)
		}
		return p.Skip()
	}) != nil || p.wrong != nil || p.End() != nil {
		return &Refusal{Problem: "not a JSON object"}
	}
	switch {
	case len(v.cidr) > 0:
		c.Object, err = address(v.cidr)
	case len(v.number) > 0:
		c.Object, err = canon.ASN(string(v.number))
	case string(v.kind) == "metadata":
		return nil
	default:
		return &Refusal{Problem: "neither cidr nor asn in the object", Mend: "use the format jsonl and map its members"}
	}
	if len(v.about) > 0 {
		c.Note = note(string(v.about))
	}
	return err
}
