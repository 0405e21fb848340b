package connect

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// rootGroup opens the root of the control groups, version 2. Where they are not
// mounted (devices that know only version 1, or none), they are for as long as
// that takes; below the mount nothing changes, and processes in groups of
// version 1 are in this root all the same.
func rootGroup(state string) (int, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err == nil {
		if dir := ParseGroups(string(text)); dir != "" {
			return openFolder(dir)
		}
	}
	dir := filepath.Join(state, "cgroup")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return -1, errors.New("connect: " + err.Error())
	}
	defer os.Remove(dir)
	if err := unix.Mount("none", dir, "cgroup2", 0, ""); err != nil {
		return -1, &Unsupported{"4.17 with CONFIG_CGROUP_BPF", errors.New("mount control groups: " + err.Error())}
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	return openFolder(dir)
}

func openFolder(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, errors.New("connect: control groups " + dir + ": " + err.Error())
	}
	return fd, nil
}

// ParseGroups finds where the root of the control groups of version 2 is
// mounted, in the text of /proc/self/mountinfo (proc_pid_mountinfo(5)); "" when
// it is not. A part of the tree, as containers see it, does not count.
func ParseGroups(text string) string {
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if !ok || len(f) < 5 || f[3] != "/" || strings.Contains(f[4], `\`) {
			continue
		}
		if kind, _, _ := strings.Cut(after, " "); kind == "cgroup2" {
			return f[4]
		}
	}
	return ""
}
