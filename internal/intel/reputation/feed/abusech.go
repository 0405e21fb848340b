package feed

import (
	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// The CSV exports of abuse.ch, as their pages describe them (urlhaus, threatfox,
// feodotracker, sslbl and bazaar under abuse.ch). Headings in the file win over
// the orders that are known here.

// csvOf opens a feed of the given columns.
func csvOf(make func() *table) func(io.Reader, *Options) (Reader, error) {
	return func(r io.Reader, o *Options) (Reader, error) { return newLines(r, o, make().read), nil }
}

func urlhaus() *table {
	return &table{
		comma: ',',
		names: map[string]column{
			"dateadded": {role: roleFirst}, "url": {roleObject, asURL}, "last_online": {role: roleLast}, "threat": {role: roleKind}, "tags": {role: roleNote},
		},
		order: []string{"id", "dateadded", "url", "url_status", "last_online", "threat", "tags", "urlhaus_link", "reporter"},
		kinds: map[string]reputation.Kind{"malware_download": reputation.KindDistribution, "phishing": reputation.KindPhishing},
	}
}

func threatfox() *table {
	return &table{
		comma: ',',
		names: map[string]column{
			"first_seen_utc": {role: roleFirst}, "ioc_value": {role: roleObject}, "ioc_type": {role: roleType}, "threat_type": {role: roleKind},
			"malware_printable": {role: roleNote}, "last_seen_utc": {role: roleLast}, "confidence_level": {role: roleConfidence},
		},
		order: []string{"first_seen_utc", "ioc_id", "ioc_value", "ioc_type", "threat_type", "fk_malware", "malware_alias", "malware_printable",
			"last_seen_utc", "confidence_level", "reference", "tags", "anonymous", "reporter"},
		kinds: map[string]reputation.Kind{"botnet_cc": reputation.KindC2, "payload_delivery": reputation.KindDistribution,
			"payload": reputation.KindMalware, "cc_skimming": reputation.KindMalware},
		types: map[string]func([]byte) (reputation.Object, error){
			"ip:port": socket, "ip": address, "domain": asDomain, "url": asURL, "md5_hash": asFile, "sha1_hash": asFile, "sha256_hash": asFile,
			"envelope_from": text(canon.Email), "body_from": text(canon.Email),
		},
	}
}

func feodo() *table {
	return &table{
		comma: ',',
		names: map[string]column{
			"first_seen_utc": {role: roleFirst}, "dst_ip": {roleObject, address}, "last_online": {role: roleLast}, "malware": {role: roleNote},
		},
		order: []string{"first_seen_utc", "dst_ip", "dst_port", "c2_status", "last_online", "malware"},
	}
}

func sslbl() *table {
	return &table{
		comma: ',',
		names: map[string]column{
			"listingdate": {role: roleFirst}, "sha1": {roleObject, text(canon.Cert)}, "listingreason": {role: roleNote},
			"firstseen": {role: roleFirst}, "lastseen": {role: roleLast}, "dstip": {roleObject, address}, "ja3_md5": {roleObject, ja3},
		},
		order: []string{"listingdate", "sha1", "listingreason"},
	}
}

// ja3 refuses what no object can hold.
func ja3([]byte) (reputation.Object, error) {
	return reputation.Object{}, &Refusal{Problem: "a JA3 fingerprint", Mend: "only JA4 fingerprints are kept"}
}

func bazaar() *table {
	return &table{
		comma: ',',
		names: map[string]column{
			"first_seen_utc": {role: roleFirst}, "sha256_hash": {roleObject, asFile}, "md5_hash": {roleAlso, asFile}, "sha1_hash": {roleAlso, asFile},
			"signature": {role: roleNote}, "tlsh": {roleAlso, text(canon.TLSH)},
		},
		order: []string{"first_seen_utc", "sha256_hash", "md5_hash", "sha1_hash", "reporter", "file_name", "file_type_guess", "mime_type",
			"signature", "clamav", "vtpercent", "imphash", "ssdeep", "tlsh"},
	}
}
