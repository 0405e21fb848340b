package process

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// maxHashes bounds the cache of a Hasher.
const maxHashes = 256

// ErrSlow says that a hash was not ready within the given time; asked for
// again later, it is.
var ErrSlow = errors.New("the executable is still being hashed")

// Hasher computes SHA-256 of executables and remembers them by file identity.
// Safe for concurrent use.
type Hasher struct {
	rate int64 // bytes per second

	mu      sync.Mutex
	known   map[fileKey]string
	running map[fileKey]chan struct{}
}

type fileKey struct {
	dev, ino uint64
	size     int64
	mtime    int64
	ctime    int64
}

// NewHasher makes a Hasher that reads at most rate bytes per second and file
// when nobody waits for it; 0 is unlimited.
func NewHasher(rate int64) *Hasher {
	return &Hasher{rate: rate, known: map[fileKey]string{}, running: map[fileKey]chan struct{}{}}
}

// Executable gives the hash of what a process runs, in lower-case hex, also
// when its file was deleted. It waits at most wait and then gives ErrSlow,
// while the reading goes on.
func (h *Hasher) Executable(pid uint32, wait time.Duration) (string, error) {
	return h.Path(Name(pid, "exe"), wait)
}

// Path is Executable for a file.
func (h *Hasher) Path(path string, wait time.Duration) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	key, err := keyOf(f)
	if err != nil {
		f.Close()
		return "", err
	}
	h.mu.Lock()
	if sum, ok := h.known[key]; ok {
		h.mu.Unlock()
		f.Close()
		return sum, nil
	}
	done, ok := h.running[key]
	if ok {
		f.Close()
	} else {
		done = make(chan struct{})
		h.running[key] = done
		go h.run(f, key, done, wait)
	}
	h.mu.Unlock()
	return h.await(key, done, wait)
}

func (h *Hasher) await(key fileKey, done chan struct{}, wait time.Duration) (string, error) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		return "", ErrSlow
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if sum, ok := h.known[key]; ok {
		return sum, nil
	}
	return "", errors.New("hash executable: it could not be read or changed meanwhile")
}

// run hashes f as fast as it can for as long as somebody waits, then at the
// Hasher's rate.
func (h *Hasher) run(f *os.File, key fileKey, done chan struct{}, wait time.Duration) {
	defer f.Close()
	sum, err := Sum(f, h.rate, wait)
	after, err2 := keyOf(f)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, key)
	if err == nil && err2 == nil && after == key {
		if len(h.known) >= maxHashes {
			clear(h.known)
		}
		h.known[key] = sum
	}
	close(done)
}

func keyOf(f *os.File) (fileKey, error) {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return fileKey{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return fileKey{}, &os.PathError{Op: "hash", Path: f.Name(), Err: errors.New("not a regular file")}
	}
	return fileKey{dev: uint64(st.Dev), ino: st.Ino, size: st.Size,
		mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano()}, nil
}

// Sum hashes r to its end: unlimited for the first free span, then at most
// rate bytes per second (0: unlimited).
func Sum(r io.Reader, rate int64, free time.Duration) (string, error) {
	d := sha256.New()
	buf := make([]byte, 32<<10)
	start := time.Now()
	var slow int64 // bytes read after the free span
	for {
		n, err := r.Read(buf)
		d.Write(buf[:n])
		if err == io.EOF {
			return hex.EncodeToString(d.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
		if spent := time.Since(start) - free; rate > 0 && spent > 0 {
			slow += int64(n)
			if due := time.Duration(slow * int64(time.Second) / rate); due > spent {
				time.Sleep(due - spent)
			}
		}
	}
}
