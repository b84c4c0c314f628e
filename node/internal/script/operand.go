package script

import (
	"strconv"
	"strings"
)

// chain is a primary expression with its members and calls.
func (p *parser) chain() node {
	n := p.primary()
	for {
		object := n
		switch {
		case p.take("?."):
			n = member(object, constant(p.name()))
			n.get = optional(object, n.get)
		case p.take("."):
			n = member(object, constant(p.name()))
		case p.take("["):
			n = member(object, p.expression())
			p.want("]")
		case p.take("("):
			args := p.list(")")
			n = node{get: func(s *scope) Value { return call(object.get(s), args(s)) }}
		default:
			return n
		}
	}
}

func constant(v Value) node { return node{get: func(*scope) Value { return v }} }

func optional(object node, get func(*scope) Value) func(*scope) Value {
	return func(s *scope) Value {
		if Nullish(object.get(s)) {
			return Undefined{}
		}
		return get(s)
	}
}

func member(object, key node) node {
	return node{
		get:    func(s *scope) Value { return Member(object.get(s), Text(key.get(s))) },
		set:    func(s *scope, v Value) { SetMember(object.get(s), Text(key.get(s)), v) },
		remove: func(s *scope) { deleteMember(object.get(s), Text(key.get(s))) },
	}
}

func call(f Value, args []Value) Value {
	switch f := f.(type) {
	case Func:
		return f(args...)
	case *Object: // a constructor
		if construct, ok := f.Hidden["new"].(Func); ok {
			return construct(args...)
		}
	}
	Throw(Text(f) + " is not a function")
	return nil
}

// list is comma-separated expressions up to a sign.
func (p *parser) list(until string) func(*scope) []Value {
	type item struct {
		node
		spread bool
	}
	var items []item
	for !p.take(until) {
		spread := p.take("...")
		items = append(items, item{p.expression(), spread})
		if !p.is(until) {
			p.want(",")
		}
	}
	return func(s *scope) []Value {
		var values []Value
		for _, i := range items {
			v := i.get(s)
			if a, ok := v.(*Array); ok && i.spread {
				values = append(values, a.Items...)
			} else {
				values = append(values, v)
			}
		}
		return values
	}
}

func (p *parser) primary() node {
	switch t := p.next(); {
	case t.kind == number:
		n, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			panic(unknown("the number " + t.text))
		}
		return constant(n)
	case t.kind == text:
		return constant(t.text)
	case t.kind == template:
		return templateNode(t.parts)
	case t.text == "(":
		n := p.expression()
		p.want(")")
		return n
	case t.text == "[":
		items := p.list("]")
		return node{get: func(s *scope) Value { return &Array{items(s)} }}
	case t.text == "{":
		return p.object()
	case t.text == "true", t.text == "false":
		return constant(t.text == "true")
	case t.text == "null":
		return constant(nil)
	case t.kind == word:
		return variable(t.text)
	default:
		panic(unknown(strconv.Quote(t.text) + " here"))
	}
}

func variable(name string) node {
	find := func(s *scope) *Value {
		v := s.find(name)
		if v == nil {
			panic(unknown(name))
		}
		return v
	}
	return node{
		get: func(s *scope) Value { return *find(s) },
		set: func(s *scope, v Value) { *find(s) = v },
	}
}

func templateNode(parts []string) node {
	nodes := make([]node, len(parts))
	for i, part := range parts {
		if i%2 == 0 {
			nodes[i] = constant(part)
			continue
		}
		inner := &parser{tokens: lex(part)}
		nodes[i] = inner.expression()
	}
	return node{get: func(s *scope) Value {
		var out strings.Builder
		for _, n := range nodes {
			out.WriteString(Text(n.get(s)))
		}
		return out.String()
	}}
}

func (p *parser) object() node {
	type property struct{ key, value node }
	var properties []property
	for !p.take("}") {
		var pr property
		switch {
		case p.take("..."):
			pr.value = p.expression()
		case p.take("["):
			pr.key = p.expression()
			p.want("]")
			p.want(":")
			pr.value = p.expression()
		default:
			t := p.next()
			pr.key = constant(t.text)
			if p.take(":") {
				pr.value = p.expression()
			} else {
				pr.value = variable(t.text)
			}
		}
		properties = append(properties, pr)
		if !p.is("}") {
			p.want(",")
		}
	}
	return node{get: func(s *scope) Value {
		o := new(Object)
		for _, pr := range properties {
			if pr.key.get != nil {
				o.Put(Text(pr.key.get(s)), pr.value.get(s))
			} else {
				assign([]Value{o, pr.value.get(s)})
			}
		}
		return o
	}}
}
