package xdp

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/contract"
)

const holderEnv = "MASUGATA_XDP_TEST_HOLDER"

// TestMain lets the test binary be the process that Abandon kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(holderEnv); dir != "" {
		fmt.Println(hold(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// hold opens the data path, installs the rules, says so, and waits to be
// killed; it comes back only with an error.
func hold(dir string) error {
	d, err := Open(Config{Inside: contract.InsidePort, Outside: contract.OutsidePort, PinDir: dir})
	if err != nil {
		return err
	}
	if err := d.SetRules(contract.AbandonedRules()); err != nil {
		return err
	}
	fmt.Println("ready")
	select {}
}

func abandon(t *testing.T, dir string) {
	t.Helper()
	mountPins(t, dir)
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), holderEnv+"="+dir)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // ends with "signal: killed"
	if line != "ready\n" {
		t.Fatalf("holder says %q", line)
	}
}

// mountPins puts a bpf file system on dir for as long as the test runs.
func mountPins(t testing.TB, dir string) {
	t.Helper()
	if err := ensureBPFFS(dir); err != nil {
		t.Skipf("needs a bpf file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

func openTest(t testing.TB, cfg Config) *Datapath {
	t.Helper()
	cfg.Inside, cfg.Outside = contract.InsidePort, contract.OutsidePort
	mountPins(t, cfg.PinDir)
	d, err := Open(cfg)
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EPERM) {
		t.Skipf("needs BPF: %v", err)
	}
	if err != nil {
		t.Fatalf("%+v", err)
	}
	return d
}

func TestContract(t *testing.T) {
	contract.Run(t, contract.Implementation{
		Open:    func(t *testing.T, dir string) datapath.Datapath { return openTest(t, Config{PinDir: dir}) },
		Abandon: abandon,
	})
}

func TestContractGeneric(t *testing.T) {
	contract.Run(t, contract.Implementation{
		Open: func(t *testing.T, dir string) datapath.Datapath {
			d := openTest(t, Config{PinDir: dir, Generic: true})
			if d.Info().Mode != ModeGeneric {
				t.Errorf("attached as %s", d.Info().Mode)
			}
			return d
		},
	})
}
