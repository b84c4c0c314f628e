package routers

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/session"
)

// Connect serves the shop as procedures of connect. Their handlers are of net/http, and
// so the Manager's methods wrap them as they are. Code that protoc generates returns a
// path and a handler in the same way.
func Connect(sessions *session.Manager) http.Handler {
	errors := connect.WithInterceptors(connectErrors{})
	mux := http.NewServeMux()
	mux.Handle("/shop.v1.Shop/Add", connect.NewUnaryHandler("/shop.v1.Shop/Add", connectAdd, errors))
	mux.Handle("/shop.v1.Shop/Show", sessions.Require(sessions.ReadOnly(
		connect.NewUnaryHandler("/shop.v1.Shop/Show", connectShow, errors))))
	mux.Handle("/shop.v1.Shop/Stream", connect.NewServerStreamHandler("/shop.v1.Shop/Stream", connectStream, errors))
	return sessions.Handler(mux)
}

// connectErrors gives errors the code that they know, which connect by itself answers
// as unknown, with 500.
type connectErrors struct{}

// WrapUnary is for procedures with one request and one response.
func (connectErrors) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, r)
		return res, connectError(ctx, err)
	}
}

// WrapStreamingHandler is for procedures that stream.
func (connectErrors) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, c connect.StreamingHandlerConn) error {
		return connectError(ctx, next(ctx, c))
	}
}

// WrapStreamingClient leaves clients alone.
func (connectErrors) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// connectError returns err as connect sends it. The metadata of an error are fields of
// the response's header.
func connectError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	remember(ctx, err)
	code := connect.CodeInternal
	switch session.Status(err) {
	case http.StatusServiceUnavailable:
		code = connect.CodeUnavailable
	case http.StatusForbidden:
		code = connect.CodePermissionDenied
	case http.StatusConflict:
		code = connect.CodeAborted
	}
	answer := connect.NewError(code, nil)
	status(answer.Meta(), err)
	return answer
}

func connectAdd(ctx context.Context, r *connect.Request[wrapperspb.StringValue]) (*connect.Response[emptypb.Empty], error) {
	if err := add(ctx, r.Msg.GetValue()); err != nil {
		return nil, err
	}
	return connect.NewResponse(&emptypb.Empty{}), nil
}

func connectShow(ctx context.Context, _ *connect.Request[emptypb.Empty]) (*connect.Response[wrapperspb.StringValue], error) {
	text, err := show(ctx)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(wrapperspb.String(text)), nil
}

// connectStream saves with its first message.
func connectStream(ctx context.Context, r *connect.Request[wrapperspb.StringValue], to *connect.ServerStream[wrapperspb.StringValue]) error {
	if err := add(ctx, r.Msg.GetValue()); err != nil {
		return err
	}
	for _, line := range lines {
		if err := to.Send(wrapperspb.String(line)); err != nil {
			return err
		}
	}
	return nil
}
