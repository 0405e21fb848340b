package feed

import (
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// Formats lists what Open reads.
func Formats() []Format {
	bad := reputation.KindSuspicious
	return []Format{
		{"ip", "addresses, prefixes and ranges, one a line (also FireHOL netsets)", []string{".ipset", ".netset"}, bad, each(addresses)},
		{"domain", `names, one a line; "*." or "." before a name takes all names below it`, nil, bad, each(plain(text(canon.Domain)))},
		{"url", "URLs, one a line", nil, bad, each(plain(text(canon.URL)))},
		{"hash", "MD5, SHA-1 or SHA-256 of files, one a line", []string{".md5", ".sha1", ".sha256"}, reputation.KindMalware, each(plain(text(canon.File)))},
		{"mixed", "addresses, names, URLs and hashes, one a line", []string{".txt", ".list"}, bad, each(plain(mixed))},
		{"hosts", "hosts files that point names to nowhere", []string{".hosts"}, bad, each(hosts)},
		{"ipset", "what ipset save writes", nil, bad, each(ipset)},
		{"nftables", "elements of nftables sets", []string{".nft"}, bad, openNftables},
		{"drop", "Spamhaus DROP, DROPv6 and ASN-DROP, text or JSON lines", nil, bad, each(drop)},
		{"dshield", "DShield's block list and list of sources", nil, reputation.KindScanner, each(dshield)},
		{"dataset", "Suricata datasets and datareps; mapping: type", nil, bad, each(dataset)},
		{"iprep", "Suricata reputation lists; mapping: category:N to a kind", nil, bad, each(iprep)},
		{"rpz", "response policy zones; mapping: origin, where the zone file does not tell its name", []string{".rpz", ".zone"}, bad, openRPZ},
		{"urlhaus", "URLhaus CSV", nil, reputation.KindDistribution, csvOf(urlhaus)},
		{"threatfox", "ThreatFox CSV", nil, reputation.KindMalware, csvOf(threatfox)},
		{"feodo", "Feodo Tracker CSV", nil, reputation.KindC2, csvOf(feodo)},
		{"sslbl", "SSLBL CSVs of certificates and addresses", nil, reputation.KindC2, csvOf(sslbl)},
		{"malwarebazaar", "MalwareBazaar CSV", nil, reputation.KindMalware, csvOf(bazaar)},
		{"csv", "a table; mapping: object (or ip, domain, url, hash, endpoint, device, …; maker and model), type, kind, note, first, last, until, confidence to a heading or number", []string{".csv", ".tsv"}, bad, openCSV},
		{"jsonl", "JSON objects, one a line or in an array, such as crowd block lists; mapping: as csv, to a member", []string{".jsonl", ".ndjson"}, bad, openJSONLines},
		{"ipsum", "IPsum: addresses with the number of lists that name them", nil, bad, each(ipsum)},
		{"maltrail", "a file of Maltrail's trails: names with all below, addresses with ports, URLs", nil, reputation.KindMalware, maltrail},
		{"warninglist", "a list.json of MISP's warninglists: what must not be listed", nil, reputation.KindBenign, openWarninglist},
		{"misp", "events of MISP's core format, one, a response of several, or attributes", nil, bad, openMISP},
		{"stix", "STIX 2.0 and 2.1: bundles, arrays of objects, envelopes of TAXII 2.1; what was only observed counts little", []string{".stix", ".stix2"}, bad, openSTIX},
		{"kev", "CISA's catalogue of known exploited vulnerabilities: makers and products", nil, reputation.KindVulnerable, openKEV},
		{"openioc", "OpenIOC 1.0 and 1.1", []string{".ioc"}, bad, openIOC},
	}
}
