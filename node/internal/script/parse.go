package script

import (
	"slices"
	"strconv"
)

// node is an expression. set and remove are there for what can be assigned to.
type node struct {
	get    func(*scope) Value
	set    func(*scope, Value)
	remove func(*scope)
}

type scope struct {
	vars   map[string]*Value
	parent *scope
}

func (s *scope) find(name string) *Value {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v
		}
	}
	return nil
}

func (s *scope) declare(name string, v Value) {
	if s.vars == nil {
		s.vars = make(map[string]*Value)
	}
	s.vars[name] = &v
}

// Compile returns the function that source is, such as "(req, res) => …",
// with globals.
func Compile(source string, globals map[string]Value) (f Func, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case unknown:
			err = r
		default:
			panic(r)
		}
	}()
	p := &parser{tokens: lex(source)}
	n := p.expression()
	if p.peek().kind != end {
		return nil, unknown("what comes before " + strconv.Quote(p.peek().text))
	}
	top := new(scope)
	for name, v := range globals {
		top.declare(name, v)
	}
	f, ok := n.get(top).(Func)
	if !ok {
		return nil, unknown("a handler that is no function")
	}
	return f, nil
}

// Call calls a function, and returns what it throws, or the piece of
// JavaScript that is not known, as an error.
func Call(f Func, args ...Value) (v Value, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case unknown:
			err = r
		case Thrown:
			err = r
		default:
			panic(r)
		}
	}()
	return f(args...), nil
}

type parser struct {
	tokens []token
	at     int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

func (p *parser) is(texts ...string) bool {
	t := p.peek()
	return (t.kind == sign || t.kind == word) && slices.Contains(texts, t.text)
}

func (p *parser) take(s string) bool {
	if p.is(s) {
		p.at++
		return true
	}
	return false
}

func (p *parser) want(s string) {
	if !p.take(s) {
		panic(unknown(strconv.Quote(p.peek().text) + " in place of " + strconv.Quote(s)))
	}
}

func (p *parser) name() string {
	t := p.next()
	if t.kind != word {
		panic(unknown(strconv.Quote(t.text) + " in place of a name"))
	}
	return t.text
}

// expression is an assignment or what binds tighter.
func (p *parser) expression() node {
	if f, ok := p.arrow(); ok {
		return f
	}
	left := p.conditional()
	for _, op := range []string{"=", "+=", "-=", "*=", "/="} {
		if !p.take(op) {
			continue
		}
		if left.set == nil {
			panic(unknown("an assignment to this"))
		}
		right := p.expression()
		return node{get: func(s *scope) Value {
			var v Value
			if op == "=" {
				v = right.get(s)
			} else {
				v = binary(op[:1], left.get(s), right.get(s))
			}
			left.set(s, v)
			return v
		}}
	}
	return left
}

func (p *parser) arrow() (node, bool) {
	start := p.at
	p.take("async")
	var params []string
	switch {
	case p.peek().kind == word && p.tokens[p.at+1].text == "=>":
		params = append(params, p.name())
	case p.is("(") && p.tokens[p.closing()+1].text == "=>":
		p.next()
		for !p.take(")") {
			params = append(params, p.name())
			p.take(",")
		}
	default:
		p.at = start
		return node{}, false
	}
	p.want("=>")
	var body func(*scope) (Value, bool)
	if p.is("{") {
		body = p.block()
	} else {
		n := p.expression()
		body = func(s *scope) (Value, bool) { return n.get(s), true }
	}
	return node{get: func(outer *scope) Value {
		return Func(func(args ...Value) Value {
			s := &scope{parent: outer}
			for i, name := range params {
				s.declare(name, arg(args, i))
			}
			v, returned := body(s)
			if !returned {
				return Undefined{}
			}
			return v
		})
	}}, true
}

// closing returns the index of the sign that closes the one at p.at.
func (p *parser) closing() int {
	depth := 0
	for i := p.at; i < len(p.tokens)-1; i++ {
		if p.tokens[i].kind != sign {
			continue
		}
		switch p.tokens[i].text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	panic(unknown("a bracket without an end"))
}

func (p *parser) conditional() node {
	condition := p.operation(0)
	if !p.take("?") {
		return condition
	}
	yes := p.expression()
	p.want(":")
	no := p.expression()
	return node{get: func(s *scope) Value {
		if Truthy(condition.get(s)) {
			return yes.get(s)
		}
		return no.get(s)
	}}
}

var levels = [][]string{
	{"??"}, {"||"}, {"&&"}, {"===", "!==", "==", "!="}, {"<", ">", "<=", ">=", "in", "instanceof"}, {"+", "-"}, {"*", "/", "%"},
}

func (p *parser) operation(level int) node {
	if level == len(levels) {
		return p.unary()
	}
	left := p.operation(level + 1)
	for p.is(levels[level]...) {
		op, l := p.next().text, left
		r := p.operation(level + 1)
		left = node{get: func(s *scope) Value {
			v := l.get(s)
			switch {
			case op == "??" && !Nullish(v), op == "||" && Truthy(v), op == "&&" && !Truthy(v):
				return v
			case op == "??", op == "||", op == "&&":
				return r.get(s)
			}
			return binary(op, v, r.get(s))
		}}
	}
	return left
}

func (p *parser) unary() node {
	for _, op := range []string{"!", "-", "+", "typeof", "delete", "await", "void", "new"} {
		if !p.take(op) {
			continue
		}
		n := p.unary()
		if op == "new" {
			return n // Date(…) and Error(…) make objects anyway
		}
		return node{get: func(s *scope) Value {
			switch op {
			case "delete":
				if n.remove == nil {
					panic(unknown("delete of this"))
				}
				n.remove(s)
				return true
			case "await":
				return n.get(s)
			case "void":
				n.get(s)
				return Undefined{}
			case "!":
				return !Truthy(n.get(s))
			case "typeof":
				return typeOf(n.get(s))
			case "+":
				return ToNumber(n.get(s))
			}
			return -ToNumber(n.get(s))
		}}
	}
	for _, op := range []string{"++", "--"} {
		if p.take(op) {
			return counted(p.chain(), op, true)
		}
	}
	n := p.chain()
	for _, op := range []string{"++", "--"} {
		if p.take(op) {
			return counted(n, op, false)
		}
	}
	return n
}

// counted adds to n, or takes from it, before or after its value is taken.
func counted(n node, op string, before bool) node {
	if n.set == nil {
		panic(unknown("a " + op + " of this"))
	}
	return node{get: func(s *scope) Value {
		old := ToNumber(n.get(s))
		v := binary(op[:1], old, 1.0)
		n.set(s, v)
		if before {
			return v
		}
		return old
	}}
}
