package script

import "math"

// statement runs, and reports whether it returned, and what.
type statement func(*scope) (Value, bool)

func (p *parser) block() func(*scope) (Value, bool) {
	p.want("{")
	var statements []statement
	for !p.take("}") {
		statements = append(statements, p.statement())
	}
	return func(outer *scope) (Value, bool) {
		s := &scope{parent: outer}
		for _, run := range statements {
			if v, returned := run(s); returned {
				return v, true
			}
		}
		return nil, false
	}
}

func (p *parser) statement() statement {
	switch {
	case p.take(";"):
		return func(*scope) (Value, bool) { return nil, false }
	case p.is("{"):
		return p.block()
	case p.take("const"), p.take("let"), p.take("var"):
		return p.declaration()
	case p.take("return"):
		n := constant(Undefined{})
		if !p.is(";", "}") {
			n = p.expression()
		}
		p.take(";")
		return func(s *scope) (Value, bool) { return n.get(s), true }
	case p.take("throw"):
		n := p.expression()
		p.take(";")
		return func(s *scope) (Value, bool) { panic(Thrown{n.get(s)}) }
	case p.take("if"):
		return p.conditionalStatement()
	case p.take("for"):
		return p.loop()
	case p.take("try"):
		return p.try()
	}
	n := p.expression()
	p.take(";")
	return func(s *scope) (Value, bool) { n.get(s); return nil, false }
}

func (p *parser) declaration() statement {
	var runs []func(*scope)
	for {
		name := p.name()
		n := constant(Undefined{})
		if p.take("=") {
			n = p.expression()
		}
		runs = append(runs, func(s *scope) { s.declare(name, n.get(s)) })
		if !p.take(",") {
			break
		}
	}
	p.take(";")
	return func(s *scope) (Value, bool) {
		for _, run := range runs {
			run(s)
		}
		return nil, false
	}
}

func (p *parser) conditionalStatement() statement {
	p.want("(")
	condition := p.expression()
	p.want(")")
	yes := p.statement()
	no := func(*scope) (Value, bool) { return nil, false }
	if p.take("else") {
		no = p.statement()
	}
	return func(s *scope) (Value, bool) {
		if Truthy(condition.get(s)) {
			return yes(s)
		}
		return no(s)
	}
}

// maxTurns is when a loop counts as endless.
const maxTurns = 100_000

// loop is for (let i = …; …; …).
func (p *parser) loop() statement {
	p.want("(")
	start := p.statement()
	condition := p.expression()
	p.want(";")
	step := p.expression()
	p.want(")")
	body := p.statement()
	return func(outer *scope) (Value, bool) {
		s := &scope{parent: outer}
		start(s)
		for turns := 0; Truthy(condition.get(s)); turns++ {
			if turns == maxTurns {
				panic(unknown("so long a loop"))
			}
			if v, returned := body(s); returned {
				return v, true
			}
			step.get(s)
		}
		return nil, false
	}
}

func (p *parser) try() statement {
	body := p.block()
	var handler, last func(*scope) (Value, bool)
	name := ""
	if p.take("catch") {
		if p.take("(") {
			name = p.name()
			p.want(")")
		}
		handler = p.block()
	}
	if p.take("finally") {
		last = p.block()
	}
	return func(s *scope) (v Value, returned bool) {
		if last != nil {
			defer last(s)
		}
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			thrown, ok := r.(Thrown)
			if !ok || handler == nil {
				panic(r)
			}
			inner := &scope{parent: s}
			inner.declare(name, thrown.Value)
			v, returned = handler(inner)
		}()
		return body(s)
	}
}

func typeOf(v Value) Value {
	switch v.(type) {
	case Undefined:
		return "undefined"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case Func:
		return "function"
	}
	return "object"
}

func binary(op string, a, b Value) Value {
	switch op {
	case "===":
		return same(a, b)
	case "!==":
		return !same(a, b)
	case "==":
		return same(a, b) || Nullish(a) && Nullish(b)
	case "!=":
		return !Truthy(binary("==", a, b))
	case "in":
		_, missing := Member(b, Text(a)).(Undefined)
		return !missing
	case "+":
		if !plain(a) || !plain(b) {
			return Text(a) + Text(b)
		}
		return ToNumber(a) + ToNumber(b)
	}
	x, y := ToNumber(a), ToNumber(b)
	switch op {
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	case "%":
		return math.Mod(x, y)
	case "<":
		return x < y
	case ">":
		return x > y
	case "<=":
		return x <= y
	case ">=":
		return x >= y
	}
	panic(unknown(op))
}

// same is ===. Functions are never the same.
func same(a, b Value) bool {
	if _, f := a.(Func); f {
		return false
	}
	if _, f := b.(Func); f {
		return false
	}
	return a == b
}

// plain reports whether + takes v for a number.
func plain(v Value) bool {
	switch v.(type) {
	case string, *Object, *Array, Func:
		return false
	}
	return true
}
