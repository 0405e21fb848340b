// Package statetest runs a real PostgreSQL server for tests of the state store
// and of what is built on it. It knows nothing of tables; only tests call it.
package statetest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// StartPostgres runs a PostgreSQL server of its own for the test, on a Unix
// socket in a fresh folder, as a user without privileges, and gives the URL of
// an empty database in it for each call of the function it returns. The test
// is skipped where Debian's server package is not installed.
func StartPostgres(t *testing.T) (fresh func(t *testing.T) string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		t.Skip("no PostgreSQL server in /usr/lib/postgresql: install Debian's package postgresql to run this test")
	}
	bin := filepath.Dir(found[len(found)-1])
	// Not t.TempDir: socket paths are bounded to 107 bytes.
	dir, err := os.MkdirTemp("/tmp", "masugata-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := unprivileged(t, dir)
	data := filepath.Join(dir, "data")
	run(t, as, bin+"/initdb", "-D", data, "-U", "masugata", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	server := exec.Command(bin+"/postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB")
	server.SysProcAttr, server.Dir = as, dir
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // fast shutdown
		_ = server.Wait()
	})
	at := func(db string) string {
		return "postgres:///" + db + "?" + url.Values{"host": {dir}, "user": {"masugata"}, "sslmode": {"disable"}}.Encode()
	}
	admin, err := sql.Open("pgx", at("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	waitFor(t, admin)
	n := 0
	return func(t *testing.T) string {
		n++
		db := "t" + strconv.Itoa(n)
		if _, err := admin.Exec("CREATE DATABASE " + db); err != nil {
			t.Fatal(err)
		}
		return at(db)
	}
}

// unprivileged gives the credentials of a user that PostgreSQL agrees to run
// as, and hands dir to it.
func unprivileged(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	var u *osuser.User
	for _, name := range []string{"postgres", "nobody"} {
		var err error
		if u, err = osuser.Lookup(name); err == nil {
			break
		}
	}
	if u == nil {
		t.Skip("PostgreSQL does not run as root, and there is no user postgres or nobody")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
		Pdeathsig:  syscall.SIGKILL,
	}
}

func run(t *testing.T, as *syscall.SysProcAttr, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.SysProcAttr, c.Dir = as, "/"
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func waitFor(t *testing.T, db *sql.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("PostgreSQL did not start: %w", err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
