package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Config says what is watched.
type Config struct {
	Roots    []string // folders; ones that are not there are left out
	Ignore   []string // paths below them that are left out, with all below
	Baseline string   // file that holds the baseline
	Rate     int64    // bytes per second that are read to make the baseline
	Log      Log
	// Full, when set, is told once by Run when there is more than it watches.
	Full func(error)
}

// Log takes what people should know; *slog.Logger is one.
type Log interface {
	Warn(message string, keysAndValues ...any)
}

// saveEvery is how often a changed baseline is written: seldom, for flash.
const saveEvery = 30 * time.Second

// Watcher watches folders. Run uses it from one goroutine.
type Watcher struct {
	cfg    Config
	note   notifier
	limits error
	files  map[string]record
	dirs   map[string]bool
	todo   []string // files whose hash is still to be made
	wait   map[string]waiting
	dirty  bool
	saved  time.Time
	buf    []byte
	found  func(Change)
}

// waiting is a path that something happened to.
type waiting struct {
	since time.Time
	what  uint32
	pid   uint32
}

// Open prepares to watch. Limits tells afterwards what does not work here.
func Open(cfg Config) (*Watcher, error) {
	var roots []string
	seen := map[[2]uint64]bool{} // /bin is often a link to /usr/bin
	for _, r := range cfg.Roots {
		var st syscall.Stat_t
		if syscall.Stat(r, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR && !seen[[2]uint64{uint64(st.Dev), st.Ino}] {
			seen[[2]uint64{uint64(st.Dev), st.Ino}] = true
			roots = append(roots, filepath.Clean(r))
		}
	}
	cfg.Roots = roots
	if len(roots) == 0 {
		return nil, errors.New("file changes: none of the folders in `watch` is there")
	}
	note, limits, err := newNotifier(join(roots[0], ""))
	if err != nil {
		return nil, err
	}
	return &Watcher{cfg: cfg, note: note, limits: limits, dirs: map[string]bool{}, wait: map[string]waiting{},
		buf: make([]byte, 32<<10)}, nil
}

// Limits says what is not watched or not told; nil when all is. Call it
// before Run.
func (w *Watcher) Limits() error { return w.limits }

// Close lets go of the kernel's resources; Run does it too.
func (w *Watcher) Close() { w.note.close() }

// Run calls found for every change until ctx ends, first for what changed
// since the baseline was saved. The baseline is saved at the end.
func (w *Watcher) Run(ctx context.Context, found func(Change)) error {
	defer w.note.close()
	w.found = found
	var err error
	w.files, err = load(w.cfg.Baseline)
	if err != nil {
		w.cfg.Log.Warn("file baseline not used", "file", w.cfg.Baseline, "error", err.Error())
	}
	w.survey()
	w.saved = time.Now()
	for ctx.Err() == nil {
		if err := w.turn(time.Now()); err != nil {
			return err
		}
	}
	return w.save()
}

// turn reads notices, looks at what settled and goes on hashing.
func (w *Watcher) turn(now time.Time) error {
	wait := 250 * time.Millisecond
	if len(w.wait) > 0 || len(w.todo) > 0 {
		wait = settle / 2
	}
	lost, err := w.note.read(wait, func(r raw) { w.gather(r, now) })
	if err != nil {
		return err
	}
	if lost {
		w.cfg.Log.Warn("the kernel dropped notices of file changes; all folders are compared anew")
		w.survey()
	}
	for path, e := range w.wait {
		if now.Sub(e.since) >= settle {
			delete(w.wait, path)
			w.look(path, e.what, e.pid, now, false)
		}
	}
	w.hashSome()
	if w.dirty && len(w.todo) == 0 && now.Sub(w.saved) >= saveEvery {
		return w.save()
	}
	return nil
}

func (w *Watcher) save() error {
	if !w.dirty {
		return nil
	}
	w.dirty, w.saved = false, time.Now()
	return save(w.cfg.Baseline, w.files)
}

func (w *Watcher) gather(r raw, now time.Time) {
	if w.ignored(r.path) || len(r.path) > maxPath {
		return
	}
	if r.dir {
		switch {
		case r.what&(bitCreate|bitMovedTo) != 0:
			w.tree(r.path, r.pid, now)
		case r.what&(bitDelete|bitMovedFrom) != 0:
			w.gone(r.path, r.what, r.pid, now)
		}
		return
	}
	e, known := w.wait[r.path]
	if !known {
		e.since = now
	}
	e.what |= r.what
	if r.pid != 0 {
		e.pid = r.pid
	}
	w.wait[r.path] = e
}

func (w *Watcher) ignored(path string) bool {
	for _, ig := range w.cfg.Ignore {
		if rest, ok := strings.CutPrefix(path, ig); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// mark is the baseline's entry that says that it knows a root. No file has a
// name like it.
func mark(root string) string { return root + "/" }

// survey walks all roots: marks folders, and compares files with the baseline.
// The files of a root that the baseline does not know are taken as they are.
func (w *Watcher) survey() {
	seen := make(map[string]bool, len(w.files))
	now := time.Now()
	for _, root := range w.cfg.Roots {
		_, known := w.files[mark(root)]
		fresh := !known
		if fresh && !w.full() {
			w.files[mark(root)], w.dirty = record{mode: syscall.S_IFDIR}, true
		}
		seen[mark(root)] = true
		w.walk(root, func(path string, is *record) {
			seen[path] = true
			old, known := w.files[path]
			switch {
			case fresh:
				w.remember(path, is)
			case !known:
				w.look(path, bitCreate, 0, now, true)
			case !old.same(is):
				w.look(path, bitCloseWr, 0, now, true)
			case old.sum() == "" && is.size <= maxHash:
				w.todo = append(w.todo, path)
			}
		})
	}
	for path := range w.files {
		switch {
		case seen[path]:
		case path[len(path)-1] == '/': // was a root once
			delete(w.files, path)
			w.dirty = true
		default:
			w.look(path, bitDelete, 0, now, true)
		}
	}
}

func (w *Watcher) full() bool {
	if len(w.files) < maxFiles {
		return false
	}
	w.tooMuch()
	return true
}

// tooMuch notes, and tells once, that not all is watched.
func (w *Watcher) tooMuch() {
	if w.limits == errFull {
		return
	}
	w.limits = errFull
	if w.cfg.Full != nil {
		w.cfg.Full(errFull)
	}
}

// remember takes a file as it is and has it hashed later.
func (w *Watcher) remember(path string, r *record) {
	if w.full() {
		return
	}
	w.files[path] = *r
	w.dirty = true
	if r.size <= maxHash {
		w.todo = append(w.todo, path)
	}
}

// walk marks the folders below dir and calls f for the files.
func (w *Watcher) walk(dir string, f func(string, *record)) {
	if w.ignored(dir) {
		return
	}
	if !w.dirs[dir] {
		if len(w.dirs) >= maxDirs {
			w.tooMuch()
			return
		}
		if err := w.note.add(join(dir, "")); err != nil {
			w.cfg.Log.Warn("folder not watched", "folder", dir, "error", err.Error())
			return
		}
		w.dirs[dir] = true
	}
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(128)
		for _, name := range names {
			path := join(dir, name)
			if len(path) > maxPath || w.ignored(path) {
				continue
			}
			if r, kind, ok := stat(path); ok {
				switch kind {
				case syscall.S_IFDIR:
					w.walk(path, f)
				case syscall.S_IFREG, syscall.S_IFLNK:
					f(path, &r)
				}
			}
		}
		if err != nil || len(names) == 0 {
			return
		}
	}
}

func stat(path string) (r record, kind uint32, ok bool) {
	var st syscall.Stat_t
	if syscall.Lstat(path, &st) != nil {
		return r, 0, false
	}
	return record{size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), ino: st.Ino, mode: uint32(st.Mode)},
		uint32(st.Mode) & syscall.S_IFMT, true
}

// tree takes a folder that appeared.
func (w *Watcher) tree(dir string, pid uint32, now time.Time) {
	w.walk(dir, func(path string, _ *record) { w.look(path, bitCreate, pid, now, false) })
}

// gone takes a folder that disappeared with all below it.
func (w *Watcher) gone(dir string, what, pid uint32, now time.Time) {
	for path := range w.files {
		if strings.HasPrefix(path, dir+"/") && path[len(path)-1] != '/' {
			w.look(path, what, pid, now, false)
		}
	}
	for d := range w.dirs {
		if d == dir || strings.HasPrefix(d, dir+"/") {
			delete(w.dirs, d)
		}
	}
}

// look compares one path with the baseline and tells the change.
func (w *Watcher) look(path string, what, pid uint32, now time.Time, offline bool) {
	old, known := w.files[path]
	c := Change{Path: path, Was: old.sum(), PID: pid, Time: now, Offline: offline}
	r, kind, exists := stat(path)
	if exists && kind != syscall.S_IFREG && kind != syscall.S_IFLNK {
		return
	}
	if !exists {
		if !known {
			return // made and removed at once
		}
		delete(w.files, path)
		w.dirty = true
		c.Kind = Deleted
		if what&bitMovedFrom != 0 {
			c.Kind = Moved
		}
		w.found(c)
		return
	}
	w.hash(path, &r)
	c.SHA256, c.Size, c.Mode = r.sum(), r.size, r.mode
	c.Kind = kindOf(&old, &r, known)
	if known || !w.full() {
		w.files[path] = r
		w.dirty = true
	}
	if c.Kind != "" {
		w.found(c)
	}
}

// kindOf says what changed between two states of a file; "" for nothing that matters.
func kindOf(old, now *record, known bool) string {
	switch {
	case !known:
		return Created
	case old.hash != now.hash && old.hash != [32]byte{}, old.size != now.size, old.hash == [32]byte{} && old.mtime != now.mtime:
		return Modified
	case old.mode != now.mode:
		return Attributes
	}
	return ""
}

// hash fills in the hash of a file or of a link's target name.
func (w *Watcher) hash(path string, r *record) {
	if r.mode&syscall.S_IFMT == syscall.S_IFLNK {
		if target, err := os.Readlink(path); err == nil {
			r.hash = sha256.Sum256([]byte(target))
		}
		return
	}
	if r.size > maxHash {
		return
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	d := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{d}, io.LimitReader(struct{ io.Reader }{f}, maxHash+1), w.buf); err == nil {
		d.Sum(r.hash[:0])
	}
}

// hashSome makes hashes for the baseline within the rate: a turn is about
// settle/2 long.
func (w *Watcher) hashSome() {
	budget := w.cfg.Rate * int64(settle/2) / int64(time.Second)
	for budget > 0 && len(w.todo) > 0 {
		path := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		old, known := w.files[path]
		r, kind, ok := stat(path)
		if !known || !ok || kind == syscall.S_IFDIR {
			continue
		}
		w.hash(path, &r)
		if old.same(&r) {
			w.files[path] = r
			w.dirty = true
		}
		if budget -= r.size + 4096; budget < 0 {
			// A large file is paid for with a rest.
			time.Sleep(min(time.Duration(-budget*int64(time.Second)/max(w.cfg.Rate, 1)), time.Second))
		}
	}
	if len(w.todo) == 0 {
		w.todo = nil
	}
}
