package feed

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// kindWords are the words of vocabularies and taxonomies in common use (STIX's
// indicator-type-ov and kill chains, MISP's taxonomies such as rsit and ecsirt), as
// kindOf brings them into form.
func kindWords() map[string]reputation.Kind {
	out := map[string]reputation.Kind{}
	for k, words := range map[reputation.Kind]string{
		reputation.KindBenign:       "benign false-positive falsepositive whitelist allowlist",
		reputation.KindAnonymizer:   "anonymization anonymizer tor tor-exit tor-node exit-node open-proxy proxy vpn anonymizing-vpn",
		reputation.KindScanner:      "scanner scanning scan scanner-ip reconnaissance port-scan host-port-scan vulnerability-scanning",
		reputation.KindSpam:         "spam spammer spambot",
		reputation.KindBruteForce:   "brute-force bruteforce brute-forcing password-guessing login-attempts ssh-brute-force",
		reputation.KindExploit:      "exploit exploits exploitation exploit-kit exploitkit initial-access ids-alert known-vulnerability-exploitation",
		reputation.KindFlood:        "ddos dos ddos-attack denial-of-service flood ddos-amplifier",
		reputation.KindMining:       "mining miner coinminer cryptominer cryptomining cryptojacking resource-hijacking",
		reputation.KindPhishing:     "phishing spearphishing spear-phishing credential-harvesting phish",
		reputation.KindBot:          "bot botnet botnet-drone infected-system malware-infected compromised-bot",
		reputation.KindDistribution: "distribution malware-distribution malware-download payload-delivery delivery drop-zone dropzone dropper downloader stage1",
		reputation.KindMalware:      "malware malicious-code ransomware trojan worm virus backdoor rootkit installation infection malware-configuration installed-malware payload",
		reputation.KindC2:           "c2 c-c c&c cc cnc c2-server command-and-control command-&-control botnet-cc botnet-c2 botnet-c&c c-and-c c&c-server command-and-control-server",
		reputation.KindVulnerable:   "vulnerable-device known-exploited end-of-life unpatched",
		reputation.KindDefaultLogin: "default-credentials default-password default-passwords weak-credentials hardcoded-credentials hard-coded-credentials",
	} {
		for _, w := range strings.Fields(words) {
			out[w] = k
		}
	}
	for k := reputation.KindBenign; k < reputation.NumKinds; k++ {
		out[k.String()] = k
	}
	return out
}

// maxWords is how many words kindOf remembers.
const maxWords = 2_000

// kindOf gives the kind that a word stands for. Words may be written as
// `taxonomy:predicate="value"`, of which the value counts, or the predicate. What it
// has found of a word it remembers in words, KindNone for none.
func kindOf(words map[string]reputation.Kind, word string) (reputation.Kind, bool) {
	k, known := words[word]
	if !known {
		k = meant(words, word)
		if len(words) < maxWords && len(word) <= 256 {
			words[word] = k
		}
	}
	return k, k != reputation.KindNone
}

func meant(words map[string]reputation.Kind, word string) reputation.Kind {
	if len(word) > 256 {
		return reputation.KindNone
	}
	word = strings.ToLower(strings.TrimSpace(word))
	if before, value, found := strings.Cut(word, `="`); found {
		if k := words[formed(strings.TrimSuffix(value, `"`))]; k != reputation.KindNone {
			return k
		}
		word = before
	}
	if colon := strings.LastIndexByte(word, ':'); colon >= 0 {
		word = word[colon+1:]
	}
	return words[formed(word)]
}

func formed(word string) string {
	if word = strings.Trim(word, "\" "); strings.ContainsAny(word, " _") {
		word = strings.NewReplacer(" ", "-", "_", "-").Replace(word)
	}
	return word
}

// worse gives the worse kind; one that speaks for the object wins over one against
// it, so that a doubtful entry does no harm.
func worse(a, b reputation.Kind) reputation.Kind {
	switch {
	case a == reputation.KindNone || b == reputation.KindNone:
		return max(a, b)
	case (a <= reputation.KindKnown) != (b <= reputation.KindKnown):
		return min(a, b)
	}
	return max(a, b)
}
