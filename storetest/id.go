package storetest

import (
	"strings"

	"github.com/holdfast-go/session"
)

// oddIDs are not of our making: other programs that share a store have theirs.
var oddIDs = []session.ID{
	"1",
	"01",
	"sess:Xy_3-Qm0ZpL8vR2tK7wJ4nB6cD9fG1hA",
	"sess:Xy_3-Qm0ZpL8vR2tK7wJ4nB6cD9fG1h",
	"XySess:3-Qm0ZpL8vR2tK7wJ4nB6cD9fG1hA",
	"tenant/7/s%3Aabc.def+ghi=",
	"tenant/7/s:abc.def+ghi=",
	"*", "a*", "ab*", "[ab]", "a?", `a\*`, "{a}b", "{a}c",
	"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
	"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}",
	session.ID(strings.Repeat("x", 199) + "y"),
	session.ID(strings.Repeat("x", 199) + "z"),
	session.ID("y" + strings.Repeat("x", 199)),
	session.ID(strings.Repeat("x", 199)),
}

var idCases = []testCase{
	{name: "ids that differ in case are two visitors", says: saysIDs, run: func(c *check) {
		upper := session.ID(strings.ToUpper(string(alice)))
		v := c.mustSave(alice, record("alice"), session.Absent)
		w, err := c.save(upper, record("ALICE"), session.Absent)
		if err != nil {
			c.Fatalf("Save(%s) beside %s: %v", upper, alice, err)
		}
		c.wantRecord(alice, "alice", v)
		c.wantRecord(upper, "ALICE", w)
	}},

	{name: "ids of every shape are told apart", says: saysIDs, run: func(c *check) {
		for _, id := range oddIDs {
			if _, err := c.save(id, record("of "+string(id)), session.Absent); err != nil {
				c.Errorf("Save(%s): %v", id, err)
			}
		}
		for _, id := range oddIDs {
			c.wantData(id, []byte("of "+id))
		}
	}},
}
