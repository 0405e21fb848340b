package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
	"github.com/masugata/masugata/internal/model"
)

// Sharing gives what other fleets may read, as collections of TAXII 2.1. A
// collection is named by its identifier or alias; errors wrap model.ErrNotFound
// or are a *taxii.Problem. All methods are safe for concurrent use.
type Sharing interface {
	// SharedBy is who shares, as people read it.
	SharedBy() string
	Collections() []taxii.Collection
	// Envelope, Manifest and Versions give one page.
	Envelope(collection string, f taxii.Filter) ([]byte, taxii.Page, error)
	Manifest(collection string, f taxii.Filter) ([]byte, taxii.Page, error)
	Versions(collection string, f taxii.Filter) ([]byte, taxii.Page, error)
	// Shares says whether a collection has an object, in any version.
	Shares(collection, object string) (bool, error)
}

// Where the server of TAXII stands: its discovery, and its one API root.
const (
	taxiiDiscovery = "/taxii2/"
	taxiiRoot      = taxiiDiscovery + "fleet/"
)

const (
	// taxiiTime is how long a partner may take to read an answer, and
	// partnerAtOnce how many answers he gets at a time.
	taxiiTime     = 2 * time.Minute
	partnerAtOnce = 4
)

// taxiiRequest is a request of TAXII as its path says it.
type taxiiRequest struct {
	what       string // discovery, root, collections, collection, objects, object, versions, manifest, status
	collection string
	object     string
}

// taxiiPath reads a path (TAXII 2.1, section 4 and 5); the slash at its end may
// be missing.
func taxiiPath(path string) (q taxiiRequest, ok bool) {
	path = strings.TrimSuffix(path, "/") + "/"
	if path == taxiiDiscovery {
		return taxiiRequest{what: "discovery"}, true
	}
	rest, ok := strings.CutPrefix(path, taxiiRoot)
	if !ok {
		return q, false
	}
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	switch n := len(parts); {
	case rest == "":
		q.what = "root"
	case parts[0] == "status" && n == 2:
		q.what = "status"
	case parts[0] != "collections" || n > 5:
		return q, false
	case n == 1:
		q.what = "collections"
	case n == 2:
		q.what, q.collection = "collection", parts[1]
	case n == 3 && (parts[2] == "objects" || parts[2] == "manifest"):
		q.what, q.collection = parts[2], parts[1]
	case n == 4 && parts[2] == "objects":
		q.what, q.collection, q.object = "object", parts[1], parts[3]
	case n == 5 && parts[2] == "objects" && parts[4] == "versions":
		q.what, q.collection, q.object = "versions", parts[1], parts[3]
	default:
		return q, false
	}
	return q, true
}

// serveTAXII answers other fleets. It reads API tokens of the level partner or
// above, as bearer or as the password of any user (RFC 7617, which TAXII 2.1
// asks for in section 1.6.9).
func (s *server) serveTAXII(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	q, known := taxiiPath(r.URL.Path)
	status := http.StatusOK
	leave, err := s.admitTAXII(r)
	defer leave()
	var body []byte
	var page taxii.Page
	if err == nil {
		body, page, err = s.answerTAXII(w, r, q, known)
	}
	if err != nil {
		p := s.taxiiProblem(r.Context(), err)
		status, _ = strconv.Atoi(p.HTTPStatus)
		if status == http.StatusUnauthorized {
			w.Header().Add("WWW-Authenticate", `Basic realm="masugata", charset="UTF-8"`)
			w.Header().Add("WWW-Authenticate", `Bearer realm="masugata"`)
		}
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		body, _ = json.Marshal(p) // strings only: never fails
	}
	h := w.Header()
	h.Set("Content-Type", taxii.MediaType)
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept, Authorization")
	if !page.First.IsZero() {
		h.Set("X-TAXII-Date-Added-First", taxii.Time(page.First))
		h.Set("X-TAXII-Date-Added-Last", taxii.Time(page.Last))
	}
	// A page must not lie in memory for as long as somebody likes to read it.
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(taxiiTime)) // where there are no deadlines, the number of answers is bounded all the same
	defer control.SetWriteDeadline(time.Time{})
	w.WriteHeader(status)
	_, _ = w.Write(body) // a failed write means that the caller is gone
	s.metrics.observe("taxii-"+q.what, status, time.Since(started))
	if who := callerOf(r.Context()); page.Count > 0 {
		s.Log.InfoContext(r.Context(), "shared with a partner", "token", who.name, "by", who.by(), "address", addressOf(r.Context()), "what", q.what,
			"collection", q.collection, "objects", page.Count)
	}
}

// answerTAXII gives the body of an answer, and the page when it is one.
func (s *server) answerTAXII(w http.ResponseWriter, r *http.Request, q taxiiRequest, known bool) ([]byte, taxii.Page, error) {
	if !known {
		return nil, taxii.Page{}, refusal(http.StatusNotFound, "there is nothing at this path; begin at "+taxiiDiscovery)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		if r.Method == http.MethodPost && q.what == "objects" || r.Method == http.MethodDelete && q.what == "object" {
			return nil, taxii.Page{}, refusal(http.StatusForbidden, "the collections of this server can only be read")
		}
		return nil, taxii.Page{}, refusal(http.StatusMethodNotAllowed, "this can only be read")
	}
	if accept := r.Header.Values("Accept"); len(accept) > 0 && !taxii.Accepts(strings.Join(accept, ",")) {
		return nil, taxii.Page{}, refusal(http.StatusNotAcceptable, "ask with Accept: "+taxii.MediaType)
	}
	switch q.what {
	case "discovery":
		root := s.taxiiRoot(r)
		return asJSON(taxii.Discovery{Title: "Masugata", Description: "What " + s.Sharing.SharedBy() + " shares with other fleets",
			Default: root, APIRoots: []string{root}})
	case "root":
		return asJSON(taxii.APIRoot{Title: s.Sharing.SharedBy(), Versions: []string{taxii.MediaType}, MaxContentLength: 1 << 20})
	case "collections":
		return asJSON(taxii.Collections{Collections: s.Sharing.Collections()})
	case "status":
		return nil, taxii.Page{}, refusal(http.StatusNotFound, "nothing was posted here")
	}
	one, ok := taxii.Collections{Collections: s.Sharing.Collections()}.Find(q.collection)
	if !ok {
		return nil, taxii.Page{}, refusal(http.StatusNotFound, "there is no such collection; see "+taxiiRoot+"collections/")
	}
	if q.what == "collection" {
		return asJSON(one)
	}
	return s.taxiiPage(q, one.ID, r.URL.Query())
}

// taxiiRoot is the address of the API root as the caller reaches us: whole,
// because not every client can resolve it. Without TLS a proxy stands between,
// and only the path is known to be right.
func (s *server) taxiiRoot(r *http.Request) string {
	if r.TLS == nil || r.Host == "" {
		return taxiiRoot
	}
	return (&url.URL{Scheme: "https", Host: r.Host, Path: taxiiRoot}).String()
}

func (s *server) taxiiPage(q taxiiRequest, id string, query url.Values) ([]byte, taxii.Page, error) {
	f, err := taxii.ParseFilter(query)
	if err != nil {
		return nil, taxii.Page{}, err
	}
	if q.object != "" {
		if ok, err := s.Sharing.Shares(id, q.object); err != nil || !ok {
			return nil, taxii.Page{}, errors.Join(err, refusal(http.StatusNotFound, "the collection has no such object"))
		}
		f.IDs = []string{q.object}
	}
	switch q.what {
	case "manifest":
		return s.Sharing.Manifest(id, f)
	case "versions":
		return s.Sharing.Versions(id, f)
	}
	return s.Sharing.Envelope(id, f)
}

// admitTAXII says who asks, by token only: a browser's session does not count.
// leave must be called at the end, whatever came out.
func (s *server) admitTAXII(r *http.Request) (leave func(), err error) {
	leave = func() {}
	authorization := r.Header.Get("Authorization")
	if _, password, ok := r.BasicAuth(); ok {
		authorization = "Bearer " + password
	}
	if authorization == "" {
		return leave, refusal(http.StatusUnauthorized, "send an API token, as bearer or as the password of any user")
	}
	who, err := s.identify(r.Context(), authorization)
	switch {
	case errors.Is(err, errNotSignedIn), errors.Is(err, model.ErrLogin):
		return leave, refusal(http.StatusUnauthorized, "the API token is wrong, expired or taken back")
	case err != nil:
		s.Log.ErrorContext(r.Context(), "caller cannot be identified", "operation", "taxii", "error", err)
		return leave, refusal(http.StatusServiceUnavailable, "tokens cannot be read now; try again")
	}
	noteCaller(r.Context(), who)
	if !who.access.Allows(model.AccessPartner) {
		return leave, refusal(http.StatusForbidden, "this needs the access level "+string(model.AccessPartner))
	}
	if leave, ok := s.partners.enter(who.user + " " + who.name); ok {
		return leave, nil
	}
	return leave, refusal(http.StatusTooManyRequests, "this token asks for too much at once; wait for the answers")
}

// refusal is an error message of TAXII (section 3.6).
func refusal(status int, text string) *taxii.Problem {
	return &taxii.Problem{Title: http.StatusText(status), Description: text, HTTPStatus: strconv.Itoa(status)}
}

// taxiiProblem turns an error into its message; what only concerns us is logged.
func (s *server) taxiiProblem(ctx context.Context, err error) *taxii.Problem {
	var p *taxii.Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, model.ErrNotFound):
		return refusal(http.StatusNotFound, err.Error())
	}
	s.Log.ErrorContext(ctx, "console request failed", "operation", "taxii", "error", err)
	return refusal(http.StatusInternalServerError, "this failed inside the control plane; its log says why")
}

func asJSON(v any) ([]byte, taxii.Page, error) {
	b, err := json.Marshal(v)
	return b, taxii.Page{}, err
}
