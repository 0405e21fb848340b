package feed_test

import (
	"slices"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

type example struct {
	name, format, text string
	o                  feed.Options
	want               []string
	noGuess            bool
}

const now = 1_700_000_000

func cases() []example {
	return slices.Concat(lists(), tables(), documents(), stixCases(), mispCases(), iocCases())
}

func lists() []example {
	return []example{
		{name: "two things", format: "mixed", text: "192.0.2.1\nbad.example.com\n", want: []string{"ip 192.0.2.1 suspicious", "domain bad.example.com suspicious"}},
		{name: "addresses", format: "ip", text: "\ufeff# a list\n192.0.2.1\n198.51.100.0/24 # a net\n2001:db8::1\n203.0.113.4-203.0.113.6\n0.0.0.0/0\nx\n198.51.100\n192.0.2.9;\n198.51.100.1 - 198.51.100.1\n9.0.0.0-8.0.0.0\n",
			want: []string{"ip 192.0.2.1 suspicious", "ip 198.51.100.0/24 suspicious", "ip 2001:db8::1 suspicious",
				"ip 203.0.113.4/31 suspicious", "ip 203.0.113.6 suspicious", "6: a prefix that covers too many addresses",
				"7: not an IP address", "8: not an IP address", "ip 192.0.2.9 suspicious", "ip 198.51.100.1 suspicious", "11: not a range of addresses"}},
		{name: "own kind", format: "ip", text: "192.0.2.1\n0.0.0.0/0\n", o: feed.Options{Name: "mine", Source: reputation.Source{Kind: reputation.KindBenign}},
			want: []string{"ip 192.0.2.1 benign (mine)", "ip 0.0.0.0/0 benign (mine)"}},
		{name: "names", format: "domain", text: "Bad.Example.COM.\n*.evil.example\n.worse.example\n// none\nco.uk\n",
			want: []string{"domain bad.example.com suspicious", "domain *.evil.example suspicious", "domain *.worse.example suspicious",
				"5: a public suffix: everything that is registered under it would be meant"}},
		{name: "names below", format: "domain", text: "bad.example.com\nduckdns.org\n", o: feed.Options{Below: true},
			want: []string{"domain *.bad.example.com suspicious", "domain duckdns.org suspicious"}},
		{name: "hashes", format: "hash", text: "D41D8CD98F00B204E9800998ECF8427E  empty.bin\n12\n", noGuess: true,
			want: []string{"file d41d8cd98f00b204e9800998ecf8427e malware", "2: not the hash of a file"}},
		{name: "hosts", format: "hosts", text: "127.0.0.1 localhost\n::1 ip6-localhost\n0.0.0.0 a.example.com b.example.com co.uk # two\n127.0.0.1\tc.example.com\n192.0.2.1 d.example.com\n",
			want: []string{"domain a.example.com suspicious", "domain b.example.com suspicious",
				"3: a public suffix: everything that is registered under it would be meant", "domain c.example.com suspicious", "5: a name with a real address"}},
		{name: "ipset", format: "ipset", text: "create bad hash:net family inet hashsize 1024\nadd bad 192.0.2.0/24 timeout 3600\nadd bad 198.51.100.7,tcp:80\nadd bad 192.0.2.5 nomatch\nadd bad 192.0.2.6 comment \"nomatch\"\n",
			o: feed.Options{Now: now},
			want: []string{"ip 192.0.2.0/24 suspicious until=1700003600", "ip 198.51.100.7 suspicious", "4: an exception from the set",
				"ip 192.0.2.6 suspicious"}},
		{name: "nftables", format: "nftables", o: feed.Options{Now: now},
			text: "table inet filter {\n\tset bad {\n\t\ttype ipv4_addr\n\t\tflags interval,timeout\n\t\telements = { 192.0.2.1 timeout 1d expires 1h30m, 198.51.100.0/24,\n\t\t\t     203.0.113.1-203.0.113.2 comment \"a, b\", 192.0.2.1 . 80 } # end\n\t}\n}\nadd element inet filter bad { 2001:db8::7 }\n",
			want: []string{"ip 192.0.2.1 suspicious until=1700005400", "ip 198.51.100.0/24 suspicious", "ip 203.0.113.1 suspicious", "ip 203.0.113.2 suspicious",
				"6: a set of joined fields, not of addresses", "ip 2001:db8::7 suspicious"}},
		{name: "ipsum", format: "ipsum", text: "# IPsum\n192.0.2.1\t10\n192.0.2.2\t2\n192.0.2.3\n192.0.2.4\t12\n",
			want: []string{"ip 192.0.2.1 suspicious 99%", "ip 192.0.2.2 suspicious 58%", "4: no number of lists after the address", "ip 192.0.2.4 suspicious 99%"}},
		{name: "maltrail", format: "maltrail", o: feed.Options{Name: "mirai"},
			text: "# Copyright (c) Maltrail developers\n\n192.0.2.1:4444\nbad.example.com # c2\nduckdns.org\n/bot.sh\n/bins/kato.mips\n/index.php\nhttp://192.0.2.2\nexample.com/gate/\nexample.com:8080/x.php?a=1\n192.0.2.0/28\n(a|b)\\.example\\.com\n198.51.100.1:22:x\nhost.example.net:81\n2001:db8::5\n[2001:db8::6]:80\n",
			want: []string{"endpoint 192.0.2.1:4444 c2 (mirai)", "ip 192.0.2.1 c2 80% (mirai)", "domain *.bad.example.com malware (mirai)", "domain duckdns.org malware (mirai)", "url /bot.sh malware 30% (mirai)", "url /bins/kato.mips malware 50% (mirai)", "8: a path that many innocent sites have",
				"url 192.0.2.2/* distribution (mirai)", "ip 192.0.2.2 distribution (mirai)", "url example.com/gate/* distribution (mirai)", "url example.com/x.php?a=1 distribution (mirai)",
				"ip 192.0.2.0/28 malware (mirai)", "13: a pattern, not a name", "14: not an IP address", "endpoint host.example.net:81 c2 (mirai)", "domain host.example.net c2 80% (mirai)",
				"ip 2001:db8::5 malware (mirai)", "endpoint [2001:db8::6]:80 c2 (mirai)", "ip 2001:db8::6 c2 80% (mirai)"}},
		{name: "DROP", format: "drop", text: "; Spamhaus DROP List\n192.0.2.0/24 ; SBL1\nAS64496 ; Bad Net\n", want: []string{"ip 192.0.2.0/24 suspicious (SBL1)", "asn AS64496 suspicious (Bad Net)"}},
		{name: "DROP JSON", format: "drop", text: "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\",\"rir\":\"x\"}\n{\"asn\":64496,\"rir\":\"x\",\"asname\":\"BAD\"}\n{\"x\":1}\n{\n{\"type\":\"metadata\",\"records\":2}\n",
			want: []string{"ip 192.0.2.0/24 suspicious (SBL1)", "asn AS64496 suspicious (BAD)", "3: neither cidr nor asn in the object", "4: not a JSON object"}},
		{name: "DShield", format: "dshield", text: "# DShield.org block list\nStart\tEnd\tNetmask\tAttacks\tName\n192.0.2.0\t192.0.2.255\t24\t2500\tX\n",
			want: []string{"ip 192.0.2.0/24 scanner"}},
		{name: "DShield sources", format: "dshield", text: "# DShield\n192.000.002.001\t100\t20\t2023-11-01\t2023-11-10\n", want: []string{"ip 192.0.2.1 scanner first=1698796800 last=1699574400"}},
		{name: "dataset", format: "dataset", noGuess: true, text: "YmFkLmV4YW1wbGUuY29t\nd41d8cd98f00b204e9800998ecf8427e,5\n192.0.2.1\n?\n",
			want: []string{"domain bad.example.com suspicious", "file d41d8cd98f00b204e9800998ecf8427e suspicious", "ip 192.0.2.1 suspicious", "4: not Base64"}},
		{name: "iprep", format: "iprep", text: "192.0.2.1,1,127\n192.0.2.0/24,2,10\n192.0.2.2,1,0\n192.0.2.3,99,5\n", o: feed.Options{Mapping: map[string]string{"category:1": "c2"}},
			want: []string{"ip 192.0.2.1 c2 100%", "ip 192.0.2.0/24 suspicious 7%", "3: a score of 0 says nothing", "4: no category and score after the address"}},
	}
}

func tables() []example {
	return []example{
		{name: "URLhaus", format: "urlhaus", text: "# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\"1\",\"2023-11-14 22:13:20\",\"http://192.0.2.1:8080/bin.sh\",\"online\",\"2023-11-14 22:13:21\",\"malware_download\",\"elf,mirai\",\"https://x\",\"y\"\n\"2\",\"2023",
			want: []string{"url 192.0.2.1/bin.sh distribution first=1700000000 last=1700000001 (elf,mirai)", "3: a quote that is not closed"}},
		{name: "ThreatFox", format: "threatfox", text: "# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\",\"fk_malware\",\"malware_alias\",\"malware_printable\",\"last_seen_utc\",\"confidence_level\",\"is_compromised\",\"reference\",\"tags\",\"anonymous\",\"reporter\"\n" +
			"\"2023-11-14 22:13:20\", \"7\", \"192.0.2.1:443\", \"ip:port\", \"botnet_cc\", \"elf.mirai\", \"None\", \"Mirai\", \"\", \"75\", \"False\", \"None\", \"\"\"x\"\"\", \"0\", \"y\"\n" +
			"\"2023-11-14 22:13:20\", \"8\", \"x\", \"sha3_384_hash\", \"payload\", \"\", \"\", \"\", \"\", \"75\", \"\", \"\", \"\", \"0\", \"y\"\n",
			want: []string{"endpoint 192.0.2.1:443 c2 75% first=1700000000 (Mirai)", "ip 192.0.2.1 c2 60% first=1700000000 (Mirai)", "3: an object of unknown type sha3_384_hash"}},
		{name: "Feodo", format: "feodo", text: "\"first_seen_utc\",\"dst_ip\",\"dst_port\",\"c2_status\",\"last_online\",\"malware\"\n\"2023-11-14 22:13:20\",\"192.0.2.1\",\"443\",\"online\",\"2023-11-15\",\"Emotet\"\n",
			want: []string{"ip 192.0.2.1 c2 first=1700000000 last=1700006400 (Emotet)"}},
		{name: "SSLBL", format: "sslbl", text: "# Listingdate,SHA1,Listingreason\n2023-11-14 22:13:20,da39a3ee5e6b4b0d3255bfef95601890afd80709,Dridex C&C\n",
			want: []string{"certificate da39a3ee5e6b4b0d3255bfef95601890afd80709 c2 first=1700000000 (Dridex C&C)"}},
		{name: "SSLBL addresses", format: "sslbl", text: "# Firstseen,DstIP,DstPort\n2023-11-14 22:13:20,192.0.2.1,443\n", want: []string{"ip 192.0.2.1 c2 first=1700000000"}},
		{name: "SSLBL JA3", format: "sslbl", noGuess: true, text: "# ja3_md5,Firstseen,Lastseen,Listingreason\nd41d8cd98f00b204e9800998ecf8427e,2023-11-14 22:13:20,2023-11-14 22:13:20,Tofsee\n", want: []string{"2: a JA3 fingerprint"}},
		{name: "MalwareBazaar", format: "malwarebazaar", text: "# \"first_seen_utc\",\"sha256_hash\",\"md5_hash\",\"sha1_hash\",\"reporter\",\"file_name\",\"file_type_guess\",\"mime_type\",\"signature\",\"clamav\",\"vtpercent\",\"imphash\",\"ssdeep\",\"tlsh\"\n" +
			"\"2023-11-14 22:13:20\", \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\", \"d41d8cd98f00b204e9800998ecf8427e\", \"da39a3ee5e6b4b0d3255bfef95601890afd80709\", \"x\", \"a,b\", \"elf\", \"x\", \"Mirai\", \"n/a\", \"n/a\", \"n/a\", \"3::\", \"n/a\"\n",
			want: []string{"file e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 malware first=1700000000 (Mirai)",
				"file d41d8cd98f00b204e9800998ecf8427e malware first=1700000000 (Mirai)", "file da39a3ee5e6b4b0d3255bfef95601890afd80709 malware first=1700000000 (Mirai)"}},
		{name: "MalwareBazaar without SHA-256", format: "malwarebazaar", noGuess: true, text: "first_seen_utc,sha1_hash,md5_hash,signature\n0,da39a3ee5e6b4b0d3255bfef95601890afd80709,n/a,X\n0,n/a,n/a,X\n",
			want: []string{"file da39a3ee5e6b4b0d3255bfef95601890afd80709 malware (X)", "3: no object in its columns"}},
		{name: "CSV by heading", format: "csv", text: "# made today\nWhen;Address;Why\n2023-11-14T22:13:20Z;192.0.2.1;ssh\n2023-11-15T00:13:20+02:00;;ssh\n",
			o:    feed.Options{Mapping: map[string]string{"ip": "address", "first": "when", "kind": "why", "separator": ";", "kind:ssh": "brute-force"}},
			want: []string{"ip 192.0.2.1 brute-force first=1700000000", "4: no object in its columns"}, noGuess: true},
		{name: "CSV by number", format: "csv", text: "bad.example.com,2023-11-15T00:13:20+02:00,high\n192.0.2.1\n", noGuess: true,
			o: feed.Options{Mapping: map[string]string{"object": "1", "last": "2", "confidence": "3"}}, want: []string{"domain bad.example.com suspicious 90% last=1700000000", "ip 192.0.2.1 suspicious"}},
	}
}

func documents() []example {
	return []example{
		{name: "RPZ", format: "rpz", text: "$TTL 300\n@ IN SOA localhost. root.localhost. (\n  1 ; serial\n  60 60 60 60 )\n  NS localhost.\n$ORIGIN rpz.example.\nbad.example.com CNAME .\n*.bad.example.com 300 IN CNAME .\ngood.example.com.rpz.example. CNAME rpz-passthru.\n\tA 192.0.2.1\n24.0.2.0.192.rpz-ip CNAME .\n128.1.zz.db8.2001.rpz-ip CNAME .\n32.1.2.0.192.rpz-client-ip CNAME .\nother.example. CNAME .\nx.example.com TXT \"a;b\"\n",
			want: []string{"domain bad.example.com suspicious", "domain *.bad.example.com suspicious", "domain good.example.com benign", "domain good.example.com suspicious",
				"ip 192.0.2.0/24 suspicious", "ip 2001:db8::1 suspicious", "13: a trigger on clients or name servers", "14: a name outside of the zone", "domain x.example.com suspicious"}},
		{name: "crowd decisions", format: "jsonl", o: feed.Options{Now: now},
			text: "{\"duration\":\"1h0m5s\",\"origin\":\"crowd\",\"scenario\":\"ssh-bf\",\"scope\":\"Ip\",\"type\":\"ban\",\"value\":\"192.0.2.1\"}\n{\"scope\":\"Country\",\"value\":\"XX\",\"type\":\"ban\"}\nx\n{\"url\":\"http://example.com/bad\",\"host\":\"example.com\",\"asn\":\"AS64496\",\"ip\":\"192.0.2.3\"}\n",
			want: []string{"ip 192.0.2.1 suspicious until=1700003605 (ssh-bf)", "2: an object of unknown type Country", "3: not a JSON object", "url example.com/bad suspicious"}},
		{name: "JSON array", format: "jsonl", text: "[\n {\"ip_address\":\"192.0.2.1\",\"malware\":\"X\",\"first_seen\":\"2023-11-14 22:13:20\"},\n 5,\n {\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"md5\":\"d41d8cd98f00b204e9800998ecf8427e\"}\n]",
			want: []string{"ip 192.0.2.1 suspicious first=1700000000 (X)", "2: not a JSON object", "file d41d8cd98f00b204e9800998ecf8427e suspicious",
				"file e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 suspicious"}},
		{name: "JSON mapped", format: "jsonl", text: "{\"who\":{\"Addr\":\"192.0.2.1\"},\"ip\":\"192.0.2.9\",\"c\":55.5,\"w\":\"ddos\"}\n",
			o:    feed.Options{Mapping: map[string]string{"ip": "who.addr", "confidence": "c", "kind": "w", "kind:ddos": "flood"}},
			want: []string{"ip 192.0.2.1 flood 55%"}},
		{name: "warninglist cidr", format: "warninglist", text: `{"description":"d","list":["192.0.2.0/24","x"],"matching_attributes":["ip-src"],"name":"Nets","type":"cidr","version":1}`,
			want: []string{"ip 192.0.2.0/24 benign (Nets)", "2: not an IP address"}},
		{name: "warninglist hostname", format: "warninglist", text: `{"category":"known","description":"d","list":["example.com","duckdns.org"],"name":"N","type":"hostname"}`,
			want: []string{"domain *.example.com known (N)", "domain duckdns.org known (N)"}},
		{name: "warninglist shared", format: "warninglist", text: `{"category":"false_positive","description":"d","list":[".duckdns.org"],"name":"N","type":"hostname"}`,
			want: []string{"domain *.duckdns.org known (N)", "domain duckdns.org benign (N)"}},
		{name: "warninglist string", format: "warninglist", text: `{"description":"d","list":["da39a3ee5e6b4b0d3255bfef95601890afd80709","3::"],"matching_attributes":["sha1","filename|sha1","x509-fingerprint-sha1"],"type":"string","name":"C"}`,
			want: []string{"certificate da39a3ee5e6b4b0d3255bfef95601890afd80709 benign (C)", "file da39a3ee5e6b4b0d3255bfef95601890afd80709 benign (C)", "2: not the fingerprint of a certificate"}},
		{name: "warninglist of a cloud", format: "warninglist", text: `{"description":"d","list":["20.0.0.0/11","20.40.0.1/32","10.0.0.0/8","2a01:4180::/32"],"type":"cidr","name":"C"}`,
			want: []string{"ip 20.0.0.0/11 known (C)", "ip 20.40.0.1 known (C)", "ip 10.0.0.0/8 benign (C)", "ip 2a01:4180::/32 known (C)"}},
		{name: "warninglist substring", format: "warninglist", text: `{"description":"d","list":["mail.example.com","@x.example","evil"],"type":"substring","name":"S"}`,
			want: []string{"domain *.mail.example.com benign (S)", "domain *.x.example benign (S)", "3: part of a text, not an object"}},
		{name: "warninglist regex", format: "warninglist", text: `{"description":"d","list":["/x/"],"type":"regex","name":"R"}`, want: []string{"1: a pattern, not an object"}},
	}
}
