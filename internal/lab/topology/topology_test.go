package topology

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

func TestBuildCarriesTraffic(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	before := ports(t)
	n := &Net{Prefix: fmt.Sprintf("mgtt%d", os.Getpid()), Cable: true}
	if err := n.Build(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Remove(); err != nil {
			t.Error(err)
		}
		if after := ports(t); after != before {
			t.Errorf("ports of the caller's namespace changed from %s to %s", before, after)
		}
	})
	if err := (&Net{Prefix: n.Prefix}).Build(); err == nil {
		t.Error("building the same lab twice was not refused")
	}
	for _, addr := range []string{VictimAddr(3).String(), VictimAddr6(3).String()} {
		echo(t, n, addr)
	}
}

func echo(t *testing.T, n *Net, addr string) {
	t.Helper()
	var l net.Listener
	if err := n.Do(Victim, func() (err error) { l, err = net.Listen("tcp", net.JoinHostPort(addr, "7777")); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			fmt.Fprint(c, c.RemoteAddr())
			c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := n.Dial(ctx, CameraA, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 100)
	k, _ := c.Read(buf)
	if got := string(buf[:k]); got != c.LocalAddr().String() {
		t.Errorf("the victim saw %q, the camera sent from %s", got, c.LocalAddr())
	}
}

func ports(t *testing.T) string {
	t.Helper()
	ifs, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	s := ""
	for _, i := range ifs {
		s += i.Name + " "
	}
	return s
}
