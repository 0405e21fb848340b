package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/masugata/masugata/internal/model"
)

// problem turns an error of the parts behind the console into its answer.
// What the caller can mend is told; all else is logged and answered bare.
func (s *server) problem(ctx context.Context, operation string, err error) error {
	var status huma.StatusError
	switch {
	case errors.As(err, &status):
		return err
	case errors.Is(err, model.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, model.ErrExists), errors.Is(err, model.ErrConflict):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, model.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, context.Canceled):
		return huma.NewError(499, "the caller went away")
	case errors.Is(err, context.DeadlineExceeded):
		return huma.Error504GatewayTimeout("this took too long; narrow the query or the time range")
	}
	s.Log.LogAttrs(ctx, slog.LevelError, "console request failed",
		slog.String("operation", operation), slog.Any("error", err))
	return huma.Error500InternalServerError(errInside.Error())
}

var errInside = errors.New("this failed inside the control plane; its log says why")

// fieldProblem names the field of the request that cannot be used.
func fieldProblem(location string, value any, text string) error {
	return huma.Error422UnprocessableEntity("validation failed",
		&huma.ErrorDetail{Location: location, Value: value, Message: text})
}

// tooOften refuses a sign-in for a while.
func tooOften(wait time.Duration) error {
	seconds := strconv.Itoa(int(wait/time.Second) + 1)
	return huma.ErrorWithHeaders(
		huma.Error429TooManyRequests("too many refused attempts; try again in "+seconds+" s"),
		http.Header{"Retry-After": {seconds}})
}

// hideSecrets takes values out of problems that may be or hold a secret: huma
// gives back what it found wrong.
func hideSecrets(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	for _, d := range m.Errors {
		switch d.Location {
		case "body", "body.password", "body.old", "body.new", "body.setup_token":
			d.Value = nil
		}
	}
	return m, nil
}
