package rule

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/library"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
)

// corpus is the folder with public data, or the test is skipped.
func corpus(t testing.TB) string {
	dir := os.Getenv("MASUGATA_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus: set MASUGATA_CORPUS")
	}
	return dir
}

// openRules are the Emerging Threats rules of the corpus.
func openRules(t testing.TB) ([]Source, Options) {
	dir := filepath.Join(corpus(t), "rules", "et-open")
	files, _ := filepath.Glob(filepath.Join(dir, "*.rules"))
	if len(files) == 0 {
		t.Skip("no rules in the corpus")
	}
	var sources []Source
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, Source{Name: filepath.Base(f), Text: text})
	}
	o := stockOptions()
	o.Classification, _ = os.ReadFile(filepath.Join(dir, "classification.config"))
	return sources, o
}

// stockOptions are variables as Suricata's stock configuration has them.
func stockOptions() Options {
	return Options{
		Fields: protocol.Fields(),
		JSON:   library.JSON, Library: payload.Library{PublicSuffix: library.PublicSuffix, Gunzip: library.Gunzip, Inflate: library.Inflate},
		AddressVars: map[string]string{
			"HOME_NET": "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]", "EXTERNAL_NET": "!$HOME_NET",
			"HTTP_SERVERS": "$HOME_NET", "SMTP_SERVERS": "$HOME_NET", "SQL_SERVERS": "$HOME_NET", "DNS_SERVERS": "$HOME_NET",
			"TELNET_SERVERS": "$HOME_NET", "AIM_SERVERS": "$EXTERNAL_NET", "DC_SERVERS": "$HOME_NET", "DNP3_SERVER": "$HOME_NET",
			"DNP3_CLIENT": "$HOME_NET", "MODBUS_CLIENT": "$HOME_NET", "MODBUS_SERVER": "$HOME_NET", "ENIP_CLIENT": "$HOME_NET", "ENIP_SERVER": "$HOME_NET",
		},
		PortVars: map[string]string{
			"HTTP_PORTS": "80", "SHELLCODE_PORTS": "!80", "ORACLE_PORTS": "1521", "SSH_PORTS": "22", "DNP3_PORTS": "20000",
			"MODBUS_PORTS": "502", "FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]", "FTP_PORTS": "21", "GENEVE_PORTS": "6081",
			"VXLAN_PORTS": "4789", "TEREDO_PORTS": "3544", "SIP_PORTS": "[5060,5061]",
		},
	}
}

func TestOpenRulesLoad(t *testing.T) {
	sources, o := openRules(t)
	o.Specs = testSpecs()
	begin := time.Now()
	set, refusals, err := Compile(sources, o)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	sources = nil
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	all := len(set.Rules()) + len(refusals)
	t.Logf("%d of %d rules in %v, %d MiB", len(set.Rules()), all, took, m.HeapAlloc>>20)
	why := map[string]int{}
	for _, r := range refusals {
		problem := r.Problem
		if i := strings.IndexByte(problem, ':'); i > 0 && len(why) > 40 {
			problem = problem[:i]
		}
		if why[problem]++; why[problem] == 1 && len(why) < 40 {
			t.Logf("%s:%d:%d: sid %d: %s (%s)", r.File, r.Line, r.Column, r.SID, r.Problem, r.Mend)
		}
	}
	t.Log(why)
	if 1000*len(set.Rules()) < 995*all {
		t.Errorf("only %d of %d rules load", len(set.Rules()), all)
	}
	runtime.KeepAlive(set)
}
