package rest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/masugata/masugata/internal/model"
)

// What one call over Connect may cost.
const (
	maxCallBytes = 8 << 20         // of one message, inflated
	callIdle     = 2 * time.Minute // silence after which a call ends
)

// connectOptions are those of all Connect services of the console.
func (s *server) connectOptions(operations map[string]string) []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithReadMaxBytes(maxCallBytes), connect.WithCompressMinBytes(4096),
		connect.WithInterceptors(callObserver{s, operations}),
	}
}

// guardCalls lets calls of a Connect service through as guard does operations
// of the REST API, before their bodies are read. operations names the rule of
// each procedure. All of them read only: nothing goes into the audit trail.
func (s *server) guardCalls(operations map[string]string, next http.Handler) http.Handler {
	failing := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation, ok := operations[r.URL.Path]
		if !ok {
			s.noSuchPath(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		who, err := s.admitCall(r.Context(), operation, r.Header.Get("Authorization"))
		if err != nil {
			s.metrics.observe(operation, statusOf(err), 0)
			if !failing.IsSupported(r) {
				writeProblem(w, statusOf(err), messageOf(err))
				return
			}
			_ = failing.Write(w, r, err) // a failed write means that the caller is gone
			return
		}
		noteCaller(r.Context(), who)
		out := &callWriter{ResponseWriter: w, control: http.NewResponseController(w)}
		defer out.control.SetWriteDeadline(time.Time{}) // the connection may serve further requests
		r.Body = &callBody{ReadCloser: r.Body, control: out.control}
		next.ServeHTTP(out, r)
	})
}

// admitCall says who calls; the error is a *connect.Error.
func (s *server) admitCall(ctx context.Context, operation, authorization string) (caller, error) {
	r, ok := ruleOf(operation)
	if !ok {
		return caller{}, connect.NewError(connect.CodePermissionDenied, errors.New("this operation has no access rule"))
	}
	who, err := s.identify(ctx, authorization)
	switch {
	case errors.Is(err, errNotSignedIn):
		return who, connect.NewError(connect.CodeUnauthenticated, errNotSignedIn)
	case errors.Is(err, model.ErrLogin):
		return who, connect.NewError(connect.CodeUnauthenticated, errWrongToken)
	case err != nil:
		s.Log.ErrorContext(ctx, "caller cannot be identified", "operation", operation, "error", err)
		return who, connect.NewError(connect.CodeUnavailable, errNoIdentity)
	case !who.access.Allows(r.least):
		return who, connect.NewError(connect.CodePermissionDenied, errors.New(tooLittleAccess(r.least, who.access)))
	}
	return who, nil
}

// callProblem turns an error of the parts behind the console into that of a
// call, as problem does for the REST API.
func (s *server) callProblem(ctx context.Context, operation string, err error) error {
	var ready *connect.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ready):
		return ready
	case errors.Is(err, model.ErrNotFound):
		return connect.NewError(connect.CodeNotFound, err)
	case errors.Is(err, model.ErrInvalid):
		return connect.NewError(connect.CodeInvalidArgument, err)
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New("the caller went away"))
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, errors.New("this took too long; ask for less at once"))
	}
	s.Log.LogAttrs(ctx, slog.LevelError, "console call failed", slog.String("operation", operation), slog.Any("error", err))
	return connect.NewError(connect.CodeInternal, errInside)
}

func messageOf(err error) string {
	var c *connect.Error
	if errors.As(err, &c) {
		return c.Message()
	}
	return err.Error()
}

// statusOf is the HTTP status that means what the error means; only its class
// is counted.
func statusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	switch connect.CodeOf(err) {
	case connect.CodeUnauthenticated:
		return http.StatusUnauthorized
	case connect.CodePermissionDenied:
		return http.StatusForbidden
	case connect.CodeUnavailable:
		return http.StatusServiceUnavailable
	case connect.CodeInternal, connect.CodeUnknown, connect.CodeDataLoss:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// callObserver counts calls beside the operations of the REST API.
type callObserver struct {
	s          *server
	operations map[string]string
}

// WrapUnary implements connect.Interceptor.
func (o callObserver) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		operation, started := o.operations[req.Spec().Procedure], time.Now()
		res, err := next(ctx, req)
		err = o.s.callProblem(ctx, operation, err)
		o.s.metrics.observe(operation, statusOf(err), time.Since(started))
		return res, err
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (callObserver) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (o callObserver) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		operation, started := o.operations[conn.Spec().Procedure], time.Now()
		err := o.s.callProblem(ctx, operation, next(ctx, conn))
		o.s.metrics.observe(operation, statusOf(err), time.Since(started))
		return err
	}
}

// callWriter writes each piece of an answer within a time, and flushes through
// whatever wraps the connection.
type callWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements http.ResponseWriter.
func (c *callWriter) Write(b []byte) (int, error) {
	if err := c.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return c.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (c *callWriter) Flush() { _ = c.control.Flush() } // the next Write tells that the caller is gone

// Unwrap lets http.ResponseController reach the connection.
func (c *callWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// callBody ends a call whose caller falls silent.
type callBody struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (c *callBody) Read(b []byte) (int, error) {
	if err := c.control.SetReadDeadline(time.Now().Add(callIdle)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return c.ReadCloser.Read(b)
}
