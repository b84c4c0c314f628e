package chain_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/chain"
)

type mark struct{}

// call is one call of a hook, named as "first Down".
type call struct {
	hook string
	args []string
}

// listener returns hooks of which each notes its calls in a list.
func listener(name string, calls *[]call) session.Hooks {
	var h session.Hooks
	hooks := reflect.ValueOf(&h).Elem()
	for i := range hooks.NumField() {
		field := hooks.Type().Field(i)
		hooks.Field(i).Set(reflect.MakeFunc(field.Type, func(args []reflect.Value) []reflect.Value {
			*calls = append(*calls, call{name + " " + field.Name, shown(args)})
			return nil
		}))
	}
	return h
}

// shown returns arguments in a form that can be compared: of a context what it carries.
func shown(args []reflect.Value) (all []string) {
	for _, a := range args {
		if ctx, ok := a.Interface().(context.Context); ok {
			all = append(all, fmt.Sprint(ctx.Value(mark{})))
			continue
		}
		all = append(all, fmt.Sprintf("%#v", a.Interface()))
	}
	return all
}

// arguments returns arguments for a hook, each of which differs from its neighbors where their types
// allow it.
func arguments(hook reflect.Type) (all []reflect.Value) {
	for i := range hook.NumIn() {
		v := reflect.New(hook.In(i)).Elem()
		switch v.Kind() {
		case reflect.Interface:
			if hook.In(i) == reflect.TypeFor[context.Context]() {
				v.Set(reflect.ValueOf(context.WithValue(context.Background(), mark{}, "the caller's")))
			} else {
				v.Set(reflect.ValueOf(fmt.Errorf("argument %d", i)))
			}
		case reflect.String:
			v.SetString(fmt.Sprint("argument ", i))
		case reflect.Int:
			v.SetInt(int64(i))
		case reflect.Uint8, reflect.Uint64:
			v.SetUint(uint64(i))
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
		}
		all = append(all, v)
	}
	return all
}

func TestEachHookOfBothIsCalled(t *testing.T) {
	var calls []call
	first, next := listener("first", &calls), listener("next", &calls)
	for _, test := range []struct {
		name        string
		first, next session.Hooks
		want        []string
	}{
		{"the first one's before the next one's", first, next, []string{"first", "next"}},
		{"of the first alone", first, session.Hooks{}, []string{"first"}},
		{"of the next alone", session.Hooks{}, next, []string{"next"}},
		{"of neither", session.Hooks{}, session.Hooks{}, nil},
	} {
		both := reflect.ValueOf(chain.Hooks(test.first, test.next))
		for i := range both.NumField() {
			field, hook := both.Type().Field(i), both.Field(i)
			t.Run(test.name+"/"+field.Name, func(t *testing.T) {
				if hook.IsNil() != (test.want == nil) {
					t.Fatalf("the hook is nil: %v", hook.IsNil())
				}
				if test.want == nil {
					return
				}
				calls = nil
				args := arguments(field.Type)
				hook.Call(args)
				var want []call
				for _, by := range test.want {
					want = append(want, call{by + " " + field.Name, shown(args)})
				}
				if !reflect.DeepEqual(calls, want) {
					t.Errorf("calls %q, want %q", calls, want)
				}
			})
		}
	}
}
