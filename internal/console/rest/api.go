package rest

import (
	"context"
	"net/http"

	"github.com/alexedwards/scs/v2"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Base is the path that all operations begin with.
const Base = "/api/v1"

type server struct {
	Config
	api       huma.API
	sessions  *scs.SessionManager
	throttle  *throttle
	strangers allowance
	partners  crowd
	readOnly  string // why nothing can be changed here; empty: everything can
	recent    recentEvents
	metrics   *metrics
}

// New builds the console's handler. It fails when a needed field of the
// configuration is missing or a metric is registered twice.
func New(c Config) (http.Handler, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	s := &server{Config: c, sessions: newSessions(&c), throttle: newThrottle(), strangers: allowance{most: strangersPerMinute}}
	mux, err := s.mount(c.Live, s.registerAll)
	if err != nil {
		return nil, err
	}
	mux.HandleFunc("/api/", s.noSuchPath)
	mux.Handle("/", c.Dashboard)
	return s.outer(mux), nil
}

// mount makes the paths that the whole API and that of the reputation service alone
// have in common, with the operations that register adds.
func (s *server) mount(live *Live, register func()) (*http.ServeMux, error) {
	var err error
	if s.metrics, err = newMetrics(s.Metrics, live); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	s.api = humago.New(mux, apiConfig())
	s.api.UseMiddleware(s.guard)
	register()
	finishSchemas(s.api.OpenAPI())

	s.mountReputationCalls(mux)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /metrics", s.signedIn(promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{})))
	if s.Sharing != nil {
		mux.HandleFunc(taxiiDiscovery, s.serveTAXII)
	}
	return mux, nil
}

// outer is what every request passes first.
func (s *server) outer(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return s.secured(withAddress(cross.Handler(s.sessions.LoadAndSave(next))))
}

func (s *server) registerAll() {
	s.registerSession()
	s.registerOverview()
	s.registerEvents()
	s.registerLive()
	s.registerIncidents()
	s.registerActions()
	s.registerDevices()
	s.registerParts()
	s.registerPolicy()
	s.registerPeople()
	s.registerAudit()
	s.registerReputation()
}

func apiConfig() huma.Config {
	c := huma.DefaultConfig("Masugata", "1") // of the API, not of the software
	c.Info.Description = "The console's API. Sign in with POST " + Base + "/session, or send an API token as `Authorization: Bearer mgp_…`."
	c.OpenAPIPath = Base + "/openapi"
	c.DocsPath, c.SchemasPath = "", ""
	c.CreateHooks = nil // no $schema fields in answers
	c.Transformers = []huma.Transformer{hideSecrets}
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: "masugata"},
		"token":   {Type: "http", Scheme: "bearer"},
	}
	aliasSchemas(c.Components.Schemas)
	return c
}

// answer is a response with a JSON body.
type answer[T any] struct{ Body T }

// nothing is an input without fields.
type nothing struct{}

// op describes one operation in short.
type op struct {
	id, method, path, tag, summary string
	status                         int // 0: 200, or 204 without a body
}

// add registers an operation: its path under Base, its rule, its errors.
func add[I, O any](s *server, o op, handle func(context.Context, *I) (O, error)) {
	huma.Register(s.api, s.operation(o), func(ctx context.Context, in *I) (*answer[O], error) {
		body, err := handle(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, o.id, err)
		}
		return &answer[O]{Body: body}, nil
	})
}

// addQuiet registers an operation that answers without a body.
func addQuiet[I any](s *server, o op, handle func(context.Context, *I) error) {
	huma.Register(s.api, s.operation(o), func(ctx context.Context, in *I) (*struct{}, error) {
		if err := handle(ctx, in); err != nil {
			return nil, s.problem(ctx, o.id, err)
		}
		return nil, nil
	})
}

func (s *server) operation(o op) huma.Operation {
	h := huma.Operation{
		OperationID: o.id, Method: o.method, Path: Base + o.path,
		Tags: []string{o.tag}, Summary: o.summary, DefaultStatus: o.status,
		MaxBodyBytes: 1 << 20, Errors: []int{http.StatusUnprocessableEntity},
	}
	if r, ok := ruleOf(o.id); ok && !r.public {
		h.Security = []map[string][]string{{"session": {}}, {"token": {}}}
		h.Description = "Needs the access level " + string(r.least) + " or above."
		h.Errors = append(h.Errors, http.StatusUnauthorized, http.StatusForbidden)
	}
	return h
}

// describe gives the description of the API without serving it.
func describe() *huma.OpenAPI {
	s := &server{}
	s.api = humago.New(http.NewServeMux(), apiConfig())
	s.registerAll()
	finishSchemas(s.api.OpenAPI())
	return s.api.OpenAPI()
}
