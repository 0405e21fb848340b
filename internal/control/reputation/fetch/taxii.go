package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

const (
	// taxiiPage is how many objects are asked for at once.
	taxiiPage = 1000
	// maxPages bounds the pages of one fetch.
	maxPages = 100_000
	// wholeEvery is how often a collection is fetched as a whole, because servers
	// do not tell of objects that they delete.
	wholeEvery = 7 * 24 * time.Hour
	// patience is how long a server may ask us to wait, and waits how often.
	patience = time.Minute
	waits    = 3
)

// taxiiSource reads one collection from its server.
type taxiiSource struct {
	*caller
	accept []string // what is still to be tried in Accept, best first
	waited int
	left   int64 // bytes of pages that are still taken
}

// boundedPage bounds what all pages together have, also of objects that are not kept.
type boundedPage struct {
	io.Reader
	left *int64
}

// Read implements io.Reader.
func (b boundedPage) Read(p []byte) (int, error) {
	if *b.left <= 0 {
		return 0, errors.New("its pages are many times larger than max_mb; raise that if it is right")
	}
	n, err := b.Reader.Read(p)
	*b.left -= int64(n)
	return n, err
}

// moreThanKept is how many times max_mb the pages may have: much of a collection
// is of types that are not kept.
const moreThanKept = 8

// accepted are the values of Accept: the standard's own, and what servers take
// that do not know it.
func accepted() []string {
	return []string{taxii.MediaType, "application/taxii+json", "application/taxii+json, application/json, */*"}
}

// taxii fetches what is new in a collection and merges it into the copy at base,
// into w; got tells then how far the copy is.
func (w *copyWriter) taxii(ctx context.Context, c *caller, p *Place, last Copy, base string, got *Copy) error {
	from := &taxiiSource{caller: c, accept: accepted(), left: moreThanKept * w.most}
	root, collection, err := from.find(ctx, p)
	if err != nil {
		return err
	}
	got.Place = root + " " + collection
	got.Whole, got.Added = last.Whole, last.Added
	after, err := time.Parse(time.RFC3339Nano, last.Added)
	if last.Place != got.Place || err != nil || got.Time.Sub(last.Whole).Abs() > wholeEvery {
		base, after, got.Added, got.Whole = "", time.Time{}, "", got.Time
	}
	news, err := openSpool(w.spool, w.most)
	if err != nil {
		return err
	}
	defer news.close()
	added, err := from.pages(ctx, root, collection, after, news)
	if err != nil {
		return err
	}
	switch {
	case !added.IsZero():
		got.Added = added.UTC().Format(time.RFC3339Nano)
	case base == "" || news.seen > 0:
		got.Added = "" // the server does not say: the whole each time
	}
	return w.merge(base, news, got.Time)
}

// find says where the collection is: the address names it, or it is looked up
// by identifier, alias or title below a discovery or an API root.
func (s *taxiiSource) find(ctx context.Context, p *Place) (root, collection string, err error) {
	if root, collection, ok := taxii.CollectionURL(p.TAXII); ok {
		return root, collection, nil
	}
	roots := []string{p.TAXII}
	if disco, err := message[taxii.Discovery](ctx, s, p.TAXII); err == nil && len(disco.APIRoots) > 0 {
		roots = roots[:0]
		for _, one := range append([]string{disco.Default}, disco.APIRoots...) {
			if u, err := taxii.RootURL(p.TAXII, one); err == nil && one != "" {
				if u, err = asSafe(p.TAXII, u); err != nil {
					return "", "", err
				}
				roots = append(roots, u)
			}
		}
	} else if problem := (*taxii.Problem)(nil); errors.As(err, &problem) && (problem.HTTPStatus == "401" || problem.HTTPStatus == "403") {
		return "", "", err
	}
	var problem error
	answered := false
	for _, root := range roots[:min(len(roots), 20)] {
		at, err := taxii.CollectionsURL(root)
		if err != nil {
			return "", "", err
		}
		list, err := message[taxii.Collections](ctx, s, at)
		if err != nil {
			problem = err
			continue
		}
		answered = true
		if one, ok := list.Find(p.Collection); ok {
			if !one.CanRead {
				return "", "", fmt.Errorf("the server does not let us read its collection %q", p.Collection)
			}
			return root, one.ID, nil
		}
	}
	if problem != nil && !answered {
		return "", "", problem
	}
	return "", "", fmt.Errorf("the server has no collection %q", p.Collection)
}

// asSafe is an API root that is asked as safely as the discovery was: servers
// behind a proxy with TLS often know themselves by http only.
func asSafe(discovery, root string) (string, error) {
	if rest, plain := strings.CutPrefix(root, "http://"); plain && strings.HasPrefix(discovery, "https://") {
		root = "https://" + rest
	}
	from, err := url.Parse(discovery)
	if err != nil {
		return "", err
	}
	to, err := url.Parse(root)
	if err != nil {
		return "", err
	}
	return root, leads(from, to)
}

// pages reads all pages of what was added after a time into news; added is the
// latest time at which the server added an object, zero when it does not say.
func (s *taxiiSource) pages(ctx context.Context, root, collection string, after time.Time, news *spool) (added time.Time, err error) {
	f := taxii.Filter{After: after, Limit: taxiiPage}
	silent := false // a page without a time
	for range maxPages {
		at, err := taxii.ObjectsURL(root, collection, f)
		if err != nil {
			return added, err
		}
		page, err := s.page(ctx, at, news)
		if err != nil {
			return added, err
		}
		silent = silent || page.count > 0 && page.last.IsZero()
		if page.last.After(added) {
			added = page.last
		}
		switch {
		case !page.more && silent:
			return time.Time{}, nil
		case !page.more:
			return added, nil
		case page.next != "" && page.next != f.Next:
			f.Next = page.next
		case page.next == "" && page.last.After(f.After): // section 3.5: by time then
			f.After, f.Next = page.last, ""
		default:
			return added, errors.New("the server says that there is more and not how to ask for it")
		}
		if page.count == 0 && page.next == "" {
			return added, errors.New("the server says that there is more and sends nothing")
		}
	}
	return added, fmt.Errorf("more than %d pages", maxPages)
}

// taxiiAnswer is what a page says beside its objects.
type taxiiAnswer struct {
	count int
	last  time.Time
	next  string
	more  bool
}

func (s *taxiiSource) page(ctx context.Context, at string, news *spool) (a taxiiAnswer, err error) {
	res, err := s.get(ctx, at)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	a.last, _ = time.Parse(time.RFC3339Nano, res.Header.Get("X-TAXII-Date-Added-Last")) // missing: the zero time
	if first, err := time.Parse(time.RFC3339Nano, res.Header.Get("X-TAXII-Date-Added-First")); err == nil && first.After(a.last) && !a.last.IsZero() {
		a.last = first // the wrong way round
	}
	r := taxii.NewReader(boundedPage{res.Body, &s.left})
	var o taxii.Object
	for {
		err := r.Next(&o)
		if errors.Is(err, io.EOF) {
			a.next, a.more = r.Page()
			return a, nil
		}
		if err != nil {
			return a, err
		}
		a.count++
		if err := news.add(&o); err != nil {
			return a, err
		}
	}
}

// message asks for one message of the protocol.
func message[M taxii.Discovery | taxii.APIRoot | taxii.Collections](ctx context.Context, s *taxiiSource, at string) (M, error) {
	var none M
	res, err := s.get(ctx, at)
	if err != nil {
		return none, err
	}
	defer res.Body.Close()
	return taxii.Decode[M](res.Body)
}

// get asks, again where the server wants another Accept or some time. The
// caller closes the body.
func (s *taxiiSource) get(ctx context.Context, at string) (*http.Response, error) {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", s.accept[0])
		res, err := s.do(req)
		if err != nil {
			return nil, err
		}
		if res.StatusCode == http.StatusOK {
			return res, nil
		}
		wait, again := s.after(res)
		problem := s.problem(res)
		res.Body.Close()
		if !again {
			return nil, problem
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// after says whether and when to ask again.
func (s *taxiiSource) after(res *http.Response) (time.Duration, bool) {
	switch res.StatusCode {
	case http.StatusNotAcceptable, http.StatusUnsupportedMediaType:
		if len(s.accept) > 1 {
			s.accept = s.accept[1:]
			return 0, true
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		n, err := strconv.Atoi(res.Header.Get("Retry-After"))
		wait := time.Duration(n) * time.Second
		if s.waited++; err == nil && n >= 0 && wait <= patience && s.waited <= waits {
			return wait, true
		}
	}
	return 0, false
}

// problem is why the server did not answer, in its own words where it has any.
func (s *taxiiSource) problem(res *http.Response) error {
	p, err := taxii.Decode[taxii.Problem](res.Body)
	if err != nil {
		p = taxii.Problem{Title: http.StatusText(res.StatusCode)}
	}
	p.HTTPStatus = strconv.Itoa(res.StatusCode)
	p.Title, p.Description = shorten(p.Title), shorten(p.Description)
	return fmt.Errorf("%s answered %w", res.Request.URL.Host, &p)
}

func shorten(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "") }
