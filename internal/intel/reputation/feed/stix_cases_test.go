package feed_test

import "github.com/masugata/masugata/internal/intel/reputation/feed"

func stixCases() []example {
	return []example{
		{name: "STIX bundle", format: "stix", text: `{"type":"bundle","id":"bundle--1","objects":[
 {"type":"identity","spec_version":"2.1","id":"identity--1","name":"x"},
 {"type":"indicator","spec_version":"2.1","id":"indicator--1","name":"Mirai C2","indicator_types":["malicious-activity"],"pattern":"[ipv4-addr:value = '192.0.2.1']","pattern_type":"stix",
  "valid_from":"2023-11-14T22:13:20Z","valid_until":"2023-11-15T22:13:20.000Z","confidence":85,"kill_chain_phases":[{"kill_chain_name":"lockheed-martin-cyber-kill-chain","phase_name":"command-and-control"}]},
 {"type":"indicator","spec_version":"2.1","id":"indicator--2","indicator_types":["benign"],"pattern":"[domain-name:value = 'example.com']","pattern_type":"stix","modified":"2023-11-14T22:13:20Z"},
 {"type":"indicator","spec_version":"2.1","id":"indicator--3","pattern":"alert ip any any -> any any ()","pattern_type":"suricata"},
 {"type":"indicator","spec_version":"2.1","id":"indicator--4","revoked":true,"pattern":"[domain-name:value = 'example.com']","pattern_type":"stix"},
 {"type":"indicator","spec_version":"2.1","id":"indicator--5","pattern":7},
 {"id":"x"},
 {"type":"file","spec_version":"2.1","id":"file--1","hashes":{"MD5":"d41d8cd98f00b204e9800998ecf8427e","SHA-512":"00"}},
 {"type":"domain-name","spec_version":"2.1","id":"domain-name--1","value":"a.example.com"},
 {"type":"autonomous-system","spec_version":"2.1","id":"autonomous-system--1","number":64496}]}`,
			want: []string{"ip 192.0.2.1 c2 85% first=1700000000 last=1700000000 until=1700086400 (Mirai C2)", "domain example.com benign last=1700000000",
				"3: a pattern in another language than STIX's: suricata", "4: revoked by its maker", "5: a member of the wrong form", "6: not a STIX object",
				"file d41d8cd98f00b204e9800998ecf8427e malware 30% (observed)", "domain a.example.com suspicious 30% (observed)", "asn AS64496 suspicious 30% (observed)"}},
		{name: "STIX 2.0", format: "stix", text: `[{"type":"indicator","id":"indicator--1","labels":["scanner"],"pattern":"[ipv4-addr:value = '192.0.2.1']"},
 {"type":"observed-data","id":"observed-data--1","first_observed":"2023-11-14T22:13:20Z","objects":{"0":{"type":"ipv4-addr","value":"192.0.2.2"},"1":{"type":"process"},"2":null}}]`,
			o: feed.Options{Name: "n"}, want: []string{"ip 192.0.2.1 scanner (n)", "ip 192.0.2.2 suspicious 30% first=1700000000 (n)"}},
	}
}
