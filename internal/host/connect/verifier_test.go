package connect

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// verify loads a program and gives what the kernel's verifier says of it.
func verify(t *testing.T, program []byte, attach uint32) string {
	t.Helper()
	license, text := []byte("Apache-2.0\x00"), make([]byte, 1<<20)
	r := newRequest()
	r.number(0, socketAddress)
	r.number(4, uint32(len(program)/8))
	r.pointer(8, program)
	r.pointer(16, license)
	r.number(24, 1)
	r.number(28, uint32(len(text)))
	r.pointer(32, text)
	r.number(68, attach)
	fd, err := r.call(cmdLoad, 72)
	log, _, _ := strings.Cut(string(text), "\x00")
	if err != nil {
		lines := strings.Split(log, "\n")
		t.Errorf("%v: %s", err, strings.Join(lines[max(0, len(lines)-30):], "\n"))
		return ""
	}
	unix.Close(fd)
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return lines[len(lines)-1]
}

// Kernels before 5.2 follow at most 131,072 instructions, and programs may have
// 4,096.
func TestProgramsPassTheVerifier(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	f := open(t)
	four, err := fill4([]span4{none4})
	if err != nil {
		t.Fatal(err)
	}
	six, err := fill6([]span6{none6()})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 100, 1 << 16, 1 << 20} {
		for _, anyone := range []bool{false, true} {
			p := &source{refuse: true, cookie: f.cookie, four: four, six: six, count4: n, count6: n, attempts: f.attempts, anyone: anyone}
			for _, h := range hooks {
				code := p.program(h.six)
				said := verify(t, code, h.attach)
				t.Logf("%d ranges, %d instructions: %s", n, len(code)/8, said)
				if len(code)/8 > 4096 {
					t.Errorf("%d instructions", len(code)/8)
				}
			}
		}
	}
}
