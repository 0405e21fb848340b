package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tiny is a program that does nothing but keep a link.
const tiny = `package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/model"
)

func main() {
	_ = client.Enroll(context.Background(), client.EnrollConfig{Endpoint: os.Args[1], Token: os.Args[2], Dir: os.Args[3]})
	id, _ := identity.Open(os.Args[3])
	sp, _ := spool.Open(spool.Config{Dir: os.Args[4]})
	c, _ := client.New(client.Config{Identity: id, Spool: sp, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	c.Submit(&model.Event{})
	_ = c.Run(context.Background())
}
`

// TestLinkedSize keeps the link small enough for devices: what a program that
// has nothing but the link weighs.
func TestLinkedSize(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	dir, err := os.MkdirTemp(".", "testdata-tiny-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(tiny), 0o600); err != nil {
		t.Fatal(err)
	}
	for arch, limit := range map[string]int64{"amd64": 6_200_000, "mipsle": 6_800_000} {
		out := filepath.Join(t.TempDir(), arch)
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, "./"+dir)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOMIPS=softfloat")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		info, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", arch, info.Size())
		if info.Size() > limit {
			t.Errorf("%s: %d bytes, at most %d", arch, info.Size(), limit)
		}
	}
}
