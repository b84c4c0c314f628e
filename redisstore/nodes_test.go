package redisstore_test

import (
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/test/redistest"
)

// startCluster starts a cluster of three primaries, which have all slots, and a fourth node
// that has none.
func startCluster(t testing.TB) (nodes []*redistest.Server) {
	t.Helper()
	for range 4 {
		nodes = append(nodes, redistest.Start(t, "--cluster-enabled", "yes", "--cluster-port", "{port}", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"))
	}
	slots := [][2]string{{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}}
	for i, n := range nodes {
		if i < len(slots) {
			n.Command("CLUSTER", "ADDSLOTSRANGE", slots[i][0], slots[i][1])
		}
		n.Command("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, n := range nodes {
		for _, other := range nodes {
			host, port, _ := net.SplitHostPort(other.Addr())
			n.Command("CLUSTER", "MEET", host, port, strconv.Itoa(other.Extra()))
		}
	}
	eventually(t, "every node is up and knows the others", func() bool {
		return !slices.ContainsFunc(nodes, func(n *redistest.Server) bool {
			info := n.Command("CLUSTER", "INFO")
			return !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:4")
		})
	})
	return nodes
}

// moveSlots moves slots of one node of a cluster to another, with what is in them.
func moveSlots(t testing.TB, count int, from, to *redistest.Server) {
	t.Helper()
	out, err := exec.Command("redis-cli", "--cluster", "reshard", from.Addr(), "--cluster-yes",
		"--cluster-slots", strconv.Itoa(count),
		"--cluster-from", from.Command("CLUSTER", "MYID"), "--cluster-to", to.Command("CLUSTER", "MYID")).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli --cluster reshard: %v\n%s", err, out)
	}
}
