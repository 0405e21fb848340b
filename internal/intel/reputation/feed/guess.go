package feed

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Guess names the format that the beginning of a feed is most probably in (a few
// kilobytes are enough); "" is not known. Formats that need a mapping are guessed
// as what they are, so that the caller can ask for it.
func Guess(head []byte) string {
	whole := bytes.HasSuffix(head, []byte("\n"))
	head = trim(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	if len(head) == 0 {
		return ""
	}
	if name := guessDocument(head); name != "" {
		return name
	}
	lines := bytes.Split(head, []byte("\n"))
	if len(lines) > 1 && !whole { // the last one may be cut
		lines = lines[:len(lines)-1]
	}
	var comments, entries []string
	for _, l := range lines {
		s := string(trim(l))
		switch {
		case s == "":
		case s[0] == '#' || s[0] == ';':
			comments = append(comments, s)
		default:
			entries = append(entries, s)
		}
	}
	if name := guessComments(strings.Join(comments, "\n")); name != "" {
		return name
	}
	return guessEntries(entries)
}

// guessDocument knows JSON and zone files and sets by their words.
func guessDocument(head []byte) string {
	has := func(s string) bool { return bytes.Contains(head, []byte(s)) }
	switch {
	case isSTIX(head):
		return "stix"
	case head[0] == '<' && (has("OpenIOC") || has("<ioc")):
		return "openioc"
	case isMISP(head):
		return "misp"
	case head[0] == '{' && has(`"vulnerabilities"`) && has(`"vendorProject"`) || head[0] == '{' && has(`"catalogVersion"`):
		return "kev"
	case head[0] == '{' && (has(`"matching_attributes"`) || has(`"list"`) && has(`"description"`)):
		return "warninglist"
	case head[0] == '{' && (has(`"sblid"`) || has(`"asn"`) && has(`"asname"`)):
		return "drop"
	case head[0] == '{' || head[0] == '[' && (has(`{`) || has(`"`)):
		return "jsonl"
	case has("$TTL") || has("$ORIGIN") || has("\tSOA\t") || has(" SOA "):
		return "rpz"
	case has("elements = {") || has("add element "):
		return "nftables"
	case bytes.HasPrefix(head, []byte("create ")) && has(" hash:") || bytes.HasPrefix(head, []byte("add ")):
		return "ipset"
	}
	return ""
}

// guessComments knows feeds by the names in their heads.
func guessComments(s string) string {
	table := strings.Contains(s, ",")
	for _, known := range [...]struct {
		words, format string
		table         bool
	}{
		{"IPsum", "ipsum", false}, {"Maltrail", "maltrail", false}, {"Spamhaus", "drop", false}, {"DShield", "dshield", false},
		{"dateadded,url", "urlhaus", true}, {"ioc_value", "threatfox", true}, {"SHA1,Listingreason", "sslbl", true}, {"Firstseen,DstIP", "sslbl", true},
		{"sha256_hash", "malwarebazaar", true}, {"dst_ip", "feodo", true},
	} {
		if strings.Contains(s, known.words) && (table || !known.table) {
			return known.format
		}
	}
	return ""
}

// guessEntries judges by the entries themselves.
func guessEntries(entries []string) string {
	if len(entries) == 0 {
		return ""
	}
	if strings.Contains(entries[0], "dst_ip") && strings.Contains(entries[0], "c2_status") {
		return "feodo"
	}
	votes := map[string]int{}
	for _, s := range entries[:min(len(entries), 60)] {
		votes[guessEntry(s)]++
	}
	best := ""
	for _, name := range sorted(votes) {
		if name != "" && votes[name] > votes[best] {
			best = name
		}
	}
	plain := votes["ip"] + votes["domain"] + votes["url"] + votes["hash"]
	if plain > votes[best] && plain > len(entries)/2 && 10*votes[best] < 9*plain {
		return "mixed"
	}
	return best
}

// guessEntry judges one line.
func guessEntry(s string) string {
	words := strings.Fields(s)
	first, err := netip.ParseAddr(words[0])
	switch {
	case err == nil && len(words) == 2 && digits(words[1]):
		return "ipsum"
	case err == nil && len(words) > 1 && (first.IsLoopback() || first.IsUnspecified()):
		return "hosts"
	case err == nil && len(words) > 3 && digits(words[2]):
		return "dshield"
	case strings.Count(s, ",") == 2 && digits(s[strings.LastIndexByte(s, ',')+1:]):
		return "iprep"
	case strings.Count(s, ",") > 0 || strings.Count(s, "\t") > 1:
		return "csv"
	}
	if from, _, ok := strings.Cut(words[0], "-"); ok {
		if _, err := netip.ParseAddr(from); err == nil {
			return "ip" // a range
		}
	}
	o, err := mixed([]byte(words[0]))
	if err != nil {
		return ""
	}
	switch o.Type {
	case reputation.TypePrefix:
		return "ip"
	case reputation.TypeDomain:
		return "domain"
	case reputation.TypeURL:
		return "url"
	case reputation.TypeFile:
		return "hash"
	}
	return "mixed"
}

func digits(s string) bool {
	_, ok := number([]byte(strings.TrimSpace(s)), 1<<31)
	return ok
}
