package fibersession

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestTheHeaderIsACopyAndHasAllValues(t *testing.T) {
	var in fasthttp.RequestHeader
	in.SetHost("shop.test")
	in.Set("Accept", "text/html")
	for _, v := range []string{"one", "two", "three"} {
		in.Add("X-Many", v)
	}
	in.Set("Cookie", "a=1; b=2; a=3")
	in.Set("X-Empty", "")
	want := http.Header{
		"Accept": {"text/html"}, "X-Many": {"one", "two", "three"}, "Cookie": {"a=1; b=2; a=3"}, "X-Empty": {""},
	}
	got := copyHeader(&in)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	in.Set("Accept", "text/json")
	in.Set("Cookie", "c=9; d=8; e=7")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q after a change of the request, want %q", got, want)
	}
	got["Accept"] = append(got["Accept"], "more")
	if got.Get("X-Many") != "one" {
		t.Errorf("the values of two fields share memory: %q", got)
	}
}
