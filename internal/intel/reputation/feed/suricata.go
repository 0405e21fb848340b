package feed

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// dataset reads a line of a Suricata dataset or datarep file (Suricata user guide,
// "Datasets"): the value, then perhaps a comma and a reputation, which is left
// out. Values are Base64 text, or hashes and addresses as they are; the mapping
// "type" (string, md5, sha256, ip, ipv4) settles it, without it the value's form does.
func dataset(r *lineReader, line []byte, c *reputation.Claim) (err error) {
	if line[0] == '#' {
		return nil
	}
	value, _, _ := bytes.Cut(line, []byte(","))
	switch r.o.Mapping["type"] {
	case "md5", "sha256":
		c.Object, err = canon.File(string(value))
		return err
	case "ip", "ipv4":
		c.Object, err = address(value)
		return err
	case "string":
	default:
		if _, err := hex.DecodeString(string(value)); err == nil && (len(value) == 32 || len(value) == 64) {
			c.Object, err = canon.File(string(value))
			return err
		}
		if o, err := address(value); err == nil {
			c.Object = o
			return nil
		}
	}
	plain, err := base64.StdEncoding.DecodeString(string(value))
	if err != nil {
		return &Refusal{Problem: "not Base64", Mend: "datasets of type string hold Base64 text"}
	}
	c.Object, err = canon.Guess(string(trim(plain)))
	return err
}

// iprep reads a line of a Suricata reputation list ("IP Reputation Format" in the user
// guide): address or prefix, category, score from 1 to 127. The mapping
// "category:N" names the kind of a category.
func iprep(r *lineReader, line []byte, c *reputation.Claim) (err error) {
	if line[0] == '#' {
		return nil
	}
	value, rest, _ := bytes.Cut(line, []byte(","))
	category, score, found := bytes.Cut(rest, []byte(","))
	category = trim(category)
	points, ok := number(trim(score), 127)
	if _, isNumber := number(category, 60); !found || !ok || !isNumber {
		return &Refusal{Problem: "no category and score after the address", Mend: "write address,category,score with a category up to 60 and a score up to 127"}
	}
	if points == 0 {
		return &Refusal{Problem: "a score of 0 says nothing"}
	}
	c.Confidence = uint8(max(1, points*100/127))
	if word := r.o.Mapping["category:"+string(category)]; word != "" {
		kind, ok := reputation.ParseKind(word)
		if !ok {
			return &Refusal{Problem: "its category is mapped to an unknown kind", Mend: "see the kinds of claims"}
		}
		c.Kind = kind
	}
	c.Object, err = address(trim(value))
	return err
}
