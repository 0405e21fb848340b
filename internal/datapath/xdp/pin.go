package xdp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// bpfMount is where a bpf file system belongs. Without one it is an empty
// folder of sysfs, in which none can be made.
const bpfMount = "/sys/fs/bpf"

// ensureBPFFS makes the directory and, when it is not on a bpf file system,
// mounts one: on bpfMount for a directory below that, else on the directory.
func ensureBPFFS(dir string) error {
	if below, err := filepath.Rel(bpfMount, dir); err == nil && filepath.IsLocal(below) {
		if err := mountBPFFS(bpfMount); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make pin directory: %w", err)
	}
	return mountBPFFS(dir)
}

// mountBPFFS mounts a bpf file system on the directory unless it is on one.
func mountBPFFS(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("look for a bpf file system on %s (pins need one on a folder that can be made): %w", dir, err)
	}
	if uint32(st.Type) == unix.BPF_FS_MAGIC { // the field is signed, and its width differs
		return nil
	}
	if err := unix.Mount("bpf", dir, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mount a bpf file system on %s: %w; run `mount -t bpf bpf %s` as root before starting, or pin to a folder that is on one",
			dir, err, dir)
	}
	return nil
}

// lockDir keeps a second process off the same pins; the kernel lets go of it
// when the process ends in any way.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open pin directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("pin directory %s is in use by another process; stop it or choose another directory", dir)
		}
		return nil, fmt.Errorf("lock pin directory %s: %w", dir, err)
	}
	return f, nil
}

const tableDirPrefix = "tables-"

func tableDir(dir string, hash uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%016x", tableDirPrefix, hash))
}

// pinnedTables opens the tables that a former process left, nil when there
// are none with this layout or they were not completed.
func pinnedTables(dir string, hash uint64, spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	maps := map[string]*ebpf.Map{}
	closeAll := func() {
		for _, m := range maps {
			m.Close()
		}
	}
	for _, name := range tableNames(spec) {
		m, err := ebpf.LoadPinnedMap(filepath.Join(tableDir(dir, hash), name), nil)
		if errors.Is(err, fs.ErrNotExist) {
			closeAll()
			return nil, nil
		}
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("open pinned table %s: %w", name, err)
		}
		maps[name] = m
		if spec.Maps[name].Compatible(m) != nil {
			closeAll()
			return nil, nil
		}
	}
	var c config
	if err := maps["config"].Lookup(uint32(0), &c); err != nil || c.Layout != hash {
		closeAll()
		return nil, err
	}
	return maps, nil
}

// createTables makes empty tables and pins them. They do not count as
// complete until config.Layout is set.
func createTables(dir string, hash uint64, spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	where := tableDir(dir, hash)
	if err := os.RemoveAll(where); err != nil {
		return nil, fmt.Errorf("remove unfinished tables: %w", err)
	}
	if err := os.Mkdir(where, 0o700); err != nil {
		return nil, fmt.Errorf("make table directory: %w", err)
	}
	maps := map[string]*ebpf.Map{}
	for _, name := range tableNames(spec) {
		m, err := ebpf.NewMap(spec.Maps[name])
		if err == nil {
			maps[name] = m
			err = m.Pin(filepath.Join(where, name))
		}
		if err != nil {
			for _, m := range maps {
				m.Close()
			}
			return nil, fmt.Errorf("make table %s: %w", name, err)
		}
	}
	return maps, nil
}

// removeTables takes away the pins of tables other than those in keep.
func removeTables(dir, keep string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list pin directory: %w", err)
	}
	var errs []error
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), tableDirPrefix) && path != keep {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}
