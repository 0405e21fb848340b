package fetch

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrUnchanged says that a feed is what it was when it was last fetched.
var ErrUnchanged = errors.New("unchanged")

// MaxFiles is how many files one feed may have.
const MaxFiles = 50_000

// fetchTime bounds one fetch, and manyTime one of a feed of many requests.
const (
	fetchTime = 5 * time.Minute
	manyTime  = 10 * time.Minute
)

// copyWriter writes a copy: a zip archive of the files of a feed, at most left
// bytes in all.
type copyWriter struct {
	archive *zip.Writer
	digest  interface {
		io.Writer
		Sum([]byte) []byte
	}
	left, most int64
	spool      string // path of a file beside the copy, for what is on its way into it
}

// get fetches a feed into a new file at path. It returns ErrUnchanged when the
// feed is what last says; base is the copy that last speaks of.
func get(ctx context.Context, client *http.Client, p *Place, last Copy, base, path string, now time.Time) (Copy, error) {
	ctx, cancel := context.WithTimeout(ctx, p.time())
	defer cancel()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return Copy{}, err
	}
	most := int64(p.MaxMB) << 20
	w := &copyWriter{archive: zip.NewWriter(f), digest: sha256.New(), left: most, most: most, spool: path + ".spool"}
	got := Copy{Time: now}
	if p.File != "" {
		err = w.files(ctx, p.File)
	} else {
		err = w.ask(ctx, client, p, last, base, &got)
	}
	if cerr := w.archive.Close(); err == nil {
		err = cerr
	}
	if serr := f.Sync(); err == nil {
		err = serr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	got.SHA256 = hex.EncodeToString(w.digest.Sum(nil))
	if err == nil && got.SHA256 == last.SHA256 {
		err = ErrUnchanged
	}
	return got, err
}

// ask gets a feed from its server.
func (w *copyWriter) ask(ctx context.Context, client *http.Client, p *Place, last Copy, base string, got *Copy) error {
	c, err := p.Login.caller(client, p.address())
	if err != nil {
		return err
	}
	defer c.close()
	switch {
	case p.TAXII != "":
		return w.taxii(ctx, c, p, last, base, got)
	case p.MISP != "":
		return w.misp(ctx, c, p, last, base, got)
	}
	return w.download(ctx, c, p.URL, last, got)
}

func (w *copyWriter) files(ctx context.Context, pattern string) error {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return &os.PathError{Op: "open", Path: pattern, Err: os.ErrNotExist}
	}
	if len(names) > MaxFiles {
		return fmt.Errorf("%d files match %s; at most %d are read", len(names), pattern, MaxFiles)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.file(name); err != nil {
			return err
		}
	}
	return nil
}

func (w *copyWriter) file(name string) error {
	st, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() { // a FIFO would be waited for without an end
		if st.IsDir() {
			return nil
		}
		return fmt.Errorf("%s is no ordinary file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.add(ListName(name), f)
}

// ListName is what a list in a file is called: the file's name without its
// ending, or of the warninglists, which are all called list.json, its folder's.
func ListName(path string) string {
	base := filepath.Base(path)
	if base == "list.json" {
		return filepath.Base(filepath.Dir(path))
	}
	return base
}

// add takes one file in; what is compressed with gzip is unpacked.
func (w *copyWriter) add(name string, r io.Reader) error {
	in := bufio.NewReader(r)
	var from io.Reader = in
	if head, _ := in.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("%s: gzip: %w", name, err)
		}
		from = unpacked
	}
	to, err := w.archive.Create(name)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.MultiWriter(to, w.digest), io.LimitReader(from, w.left+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if w.left -= n; w.left < 0 {
		return fmt.Errorf("is larger than %d MB; raise max_mb if that is right", w.most>>20)
	}
	return nil
}

func (w *copyWriter) download(ctx context.Context, c *caller, from string, last Copy, got *Copy) error {
	res, err := c.ask(ctx, from, last)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.ContentLength > w.most {
		return fmt.Errorf("is %d MB large, more than max_mb (%d)", res.ContentLength>>20, w.most>>20)
	}
	got.ETag, got.Modified = bounded(res.Header.Get("ETag")), bounded(res.Header.Get("Last-Modified"))
	return w.add(urlName(from), res.Body)
}

func bounded(header string) string {
	if len(header) > 256 {
		return ""
	}
	return header
}

func urlName(from string) string {
	u, err := url.Parse(from)
	if err != nil || len(u.Path) < 2 {
		return "feed"
	}
	return filepath.Base(u.Path)
}

// NewClient fetches feeds: few redirects, never from https to http, and from
// servers outside to none inside.
func NewClient() *http.Client {
	return &http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) >= 5 {
			return errors.New("more than 5 redirects")
		}
		if req.URL.Scheme != "https" && via[0].URL.Scheme == "https" {
			return errors.New("redirects from https to " + req.URL.Scheme)
		}
		return leads(via[0].URL, req.URL)
	}}
}

// leads says why a server's word must not lead to an address: one that is
// outside could have us ask services that only listen inside.
func leads(from, to *url.URL) error {
	if inside(to.Hostname()) && !inside(from.Hostname()) {
		return errors.New("it leads to " + to.Host + ", which is inside; name that address yourself if it is right")
	}
	return nil
}

// inside says whether a host is an address, or the name of this machine, that
// means something only here. What else ends in a number is an address in another
// way of writing (https://url.spec.whatwg.org, 3.5), and counts as one.
func inside(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		return !a.IsGlobalUnicast() || a.IsPrivate()
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last == "localhost" || last != "" && last[0] >= '0' && last[0] <= '9'
}

// PlainError leaves the address out of an error of the HTTP client: it may
// hold a key.
func PlainError(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}
