package xdp

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// inOwnMounts runs f on a thread whose mounts nobody else sees.
func inOwnMounts(t *testing.T, f func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	done := make(chan error, 1)
	skip := errors.New("no mount namespace")
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with f
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			done <- errors.Join(skip, err)
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			done <- errors.Join(skip, err)
			return
		}
		done <- f()
	}()
	switch err := <-done; {
	case errors.Is(err, skip):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// TestDefaultPinDirWithoutBPFFS: on a machine that mounts no bpf file system
// the default directory lies in sysfs, where none can be made.
func TestDefaultPinDirWithoutBPFFS(t *testing.T) {
	inOwnMounts(t, func() error {
		for onBPFFS(bpfMount) {
			if err := unix.Unmount(bpfMount, unix.MNT_DETACH); err != nil {
				return err
			}
		}
		for range 2 { // the second time it is there
			if err := ensureBPFFS(DefaultPinDir); err != nil {
				return err
			}
		}
		if !onBPFFS(DefaultPinDir) {
			return errors.New("the default pin directory is not on a bpf file system")
		}
		return nil
	})
}

func TestOwnPinDirWithoutBPFFS(t *testing.T) {
	dir := t.TempDir() + "/pins"
	inOwnMounts(t, func() error {
		if err := ensureBPFFS(dir); err != nil {
			return err
		}
		if !onBPFFS(dir) {
			return errors.New("the pin directory is not on a bpf file system")
		}
		return nil
	})
}

func onBPFFS(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.BPF_FS_MAGIC
}
