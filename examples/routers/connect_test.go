package routers

import (
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/shopfront"
)

// connectVisitor calls the shop's procedures.
type connectVisitor struct {
	*shopfront.Visitor
	calls *connect.Client[wrapperspb.StringValue, emptypb.Empty]
	shows *connect.Client[emptypb.Empty, wrapperspb.StringValue]
	lists *connect.Client[wrapperspb.StringValue, wrapperspb.StringValue]
}

func newConnectVisitor(s *shopfront.Shop) *connectVisitor {
	v := s.Visitor()
	return &connectVisitor{
		v,
		connect.NewClient[wrapperspb.StringValue, emptypb.Empty](v.Client, s.URL+"/shop.v1.Shop/Add"),
		connect.NewClient[emptypb.Empty, wrapperspb.StringValue](v.Client, s.URL+"/shop.v1.Shop/Show"),
		connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](v.Client, s.URL+"/shop.v1.Shop/Stream"),
	}
}

func (v *connectVisitor) add(sku string) error {
	_, err := v.calls.CallUnary(v.Shop.T.Context(), connect.NewRequest(wrapperspb.String(sku)))
	return err
}

func (v *connectVisitor) show() (string, error) {
	res, err := v.shows.CallUnary(v.Shop.T.Context(), connect.NewRequest(&emptypb.Empty{}))
	if err != nil {
		return "", err
	}
	return res.Msg.GetValue(), nil
}

func (v *connectVisitor) stream(sku string) (text string, err error) {
	stream, err := v.lists.CallServerStream(v.Shop.T.Context(), connect.NewRequest(wrapperspb.String(sku)))
	if err != nil {
		return "", err
	}
	defer stream.Close()
	for stream.Receive() {
		text += stream.Msg().GetValue()
	}
	return text, stream.Err()
}

// wantCode checks an error, and returns when it says to come back.
func wantCode(t *testing.T, what string, err error, want connect.Code) (again string) {
	t.Helper()
	var answer *connect.Error
	if !errors.As(err, &answer) || answer.Code() != want {
		t.Errorf("%s: %v, want %v", what, err, want)
		return ""
	}
	return answer.Meta().Get("Retry-After")
}

func TestConnect(t *testing.T) {
	s := serve(t, Connect)
	v := newConnectVisitor(s)
	_, err := v.show()
	wantCode(t, "Show without a session", err, connect.CodePermissionDenied)
	wantCode(t, "Add of what is sold out", v.add("caviar"), connect.CodeAborted)
	if err := v.add("tofu"); err != nil {
		t.Errorf("Add: %v", err)
	}
	if text, err := v.stream("rice"); err != nil || text != "one\ntwo\n" {
		t.Errorf("Stream: %q, %v", text, err)
	}
	if text, err := v.show(); err != nil || text != "tofu,rice" {
		t.Errorf("Show: %q, %v", text, err)
	}
}

func TestConnectInAnOutage(t *testing.T) {
	s := serve(t, Connect)
	v := newConnectVisitor(s)
	if err := v.add("tofu"); err != nil {
		t.Fatal(err)
	}
	s.Store.Fail(errors.New("connection refused"))
	if again := wantCode(t, "Add", v.add("rice"), connect.CodeUnavailable); again != "5" {
		t.Errorf("Add: Retry-After %q", again)
	}
	_, err := v.stream("rice")
	wantCode(t, "Stream", err, connect.CodeUnavailable)
	_, err = v.show() // Require answers, by Options.Error, which the client knows by its status
	wantCode(t, "Show", err, connect.CodeUnavailable)
	s.Store.Heal()

	s.Store.Before(func(op string, _ session.ID) error {
		if op == "save" {
			return errors.New("read-only replica")
		}
		return nil
	})
	wantCode(t, "Add without a save", v.add("rice"), connect.CodeUnavailable)
	_, err = v.stream("rice")
	wantCode(t, "Stream without a save", err, connect.CodeUnavailable)
	s.Store.Before(nil)
	if text, err := v.show(); err != nil || text != "tofu" {
		t.Errorf("Show after the outage: %q, %v", text, err)
	}
}

// Without the interceptor connect answers the errors as follows.
func TestConnectByItselfKnowsNoStatus(t *testing.T) {
	s := serve(t, func(sessions *session.Manager) http.Handler {
		return sessions.Handler(connect.NewUnaryHandler("/shop.v1.Shop/Add", connectAdd))
	})
	wantCode(t, "Add", newConnectVisitor(s).add("caviar"), connect.CodeUnknown)
}
