package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/masugata/masugata/internal/model"
)

// Live hands what changes to the open live streams. Its methods never wait
// for a client and are safe for concurrent use; values are encoded during the
// call and not kept.
type Live struct {
	mu     sync.RWMutex
	subs   map[*subscription]struct{}
	lagged atomic.Uint64
}

// subscription is one open stream. frames is closed by Live when the client
// cannot keep up.
type subscription struct {
	match  func(*model.Event) bool
	frames chan []byte
}

const (
	liveBuffer   = 512 // frames that may wait for one client
	maxStreams   = 256
	writeTimeout = 10 * time.Second
)

// NewLive makes a hub without streams.
func NewLive() *Live { return &Live{subs: map[*subscription]struct{}{}} }

// Event hands on an event to the streams whose query it matches.
func (l *Live) Event(e *model.Event) { l.publish("event", e, e) }

// Incident hands on an incident that was opened or changed.
func (l *Live) Incident(i *model.Incident) {
	v := tidyIncident(*i)
	l.publish("incident", &v, nil)
}

// Action hands on an action that was made or changed.
func (l *Live) Action(a *model.Action) { l.publish("action", a, nil) }

// Device hands on a device that appeared or changed its state.
func (l *Live) Device(d *model.Device) {
	v := tidyDevice(*d)
	l.publish("device", &v, nil)
}

func (l *Live) publish(name string, v any, e *model.Event) {
	l.mu.RLock()
	var frame []byte
	var slow []*subscription
	for s := range l.subs {
		if e != nil && !s.match(e) {
			continue
		}
		if frame == nil {
			frame = encodeFrame(name, v)
		}
		select {
		case s.frames <- frame:
		default:
			slow = append(slow, s)
		}
	}
	l.mu.RUnlock()
	for _, s := range slow {
		if l.remove(s) {
			l.lagged.Add(1)
		}
	}
}

// encodeFrame gives one server-sent event. The model's values always encode.
func encodeFrame(name string, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		data = []byte(`{}`)
	}
	b := make([]byte, 0, len(name)+len(data)+16)
	b = append(b, "event: "...)
	b = append(b, name...)
	b = append(b, "\ndata: "...)
	b = append(b, data...)
	return append(b, "\n\n"...)
}

func (l *Live) add(match func(*model.Event) bool) (*subscription, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.subs) >= maxStreams {
		return nil, false
	}
	s := &subscription{match: match, frames: make(chan []byte, liveBuffer)}
	l.subs[s] = struct{}{}
	return s, true
}

// remove ends a stream; false when it had ended already.
func (l *Live) remove(s *subscription) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.subs[s]; !ok {
		return false
	}
	delete(l.subs, s)
	close(s.frames)
	return true
}

func (l *Live) streams() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.subs)
}

type liveInput struct {
	Q             string `query:"q" maxLength:"4096" doc:"Only events that match; incidents, actions and devices always come"`
	Authorization string `header:"Authorization" hidden:"true"`
}

func (s *server) registerLive() {
	o := s.operation(op{id: "live-events", method: http.MethodGet, path: "/events/live", tag: "events", summary: "Live stream"})
	o.Description += " Server-sent events: event, incident, action and device carry the object as the other operations give it; " +
		"lagged says that the client was too slow: the stream ends, load again and reconnect."
	o.Responses = map[string]*huma.Response{"200": {
		Description: "The stream",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(s.api, o, func(ctx context.Context, in *liveInput) (*huma.StreamResponse, error) {
		match, err := s.Events.Matcher(in.Q)
		if err != nil {
			return nil, s.problem(ctx, "live-events", err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) { s.stream(hc, match, in.Authorization) }}, nil
	})
}

func (s *server) stream(hc huma.Context, match func(*model.Event) bool, authorization string) {
	sub, ok := s.Live.add(match)
	if !ok {
		s.refuse(hc, http.StatusServiceUnavailable, "too many live streams are open; close one and try again")
		return
	}
	defer s.Live.remove(sub)
	hc.SetHeader("Content-Type", "text/event-stream")
	hc.SetHeader("X-Accel-Buffering", "no")
	hc.SetStatus(http.StatusOK)
	_, w := humago.Unwrap(hc)
	out := &sseWriter{w: w, control: http.NewResponseController(w)}
	defer out.control.SetWriteDeadline(time.Time{}) // the connection may serve further requests
	ctx := hc.Context()
	ping := time.NewTicker(s.PingEvery)
	defer ping.Stop()
	err := out.write([]byte("retry: 2000\n: ok\n\n"))
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case frame, open := <-sub.frames:
			if !open {
				_ = out.write([]byte("event: lagged\ndata: {}\n\n")) // the stream ends either way
				return
			}
			err = out.write(frame)
		case <-ping.C:
			// A session that ended meanwhile ends its stream, too.
			if _, bad := s.identify(ctx, authorization); bad != nil {
				return
			}
			err = out.write([]byte(": ping\n\n"))
		}
	}
}

// sseWriter writes frames, each within a time.
type sseWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (o *sseWriter) write(frame []byte) error {
	err := o.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := o.w.Write(frame); err != nil {
		return err
	}
	return o.control.Flush()
}
