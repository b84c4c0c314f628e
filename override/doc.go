// Package override is for operators: it tells a running program to leave the
// store alone, or to trust no backup, or to let backups vouch for longer.
//
// There are three ways to say so, each of them a [session.Switch]:
//
//   - [Value], which the program sets itself,
//   - a Value as an HTTP handler, for a curl in an incident,
//   - [WatchFile], a file that is read again while the program runs.
//
// # Other sources
//
// Whatever tells a program that something has changed sets a Value: a watch of
// etcd, a node of ZooKeeper, a feature flag. The rule is that the outage of the
// source changes nothing. A broken connection, an expired watch or a text that
// makes no sense is logged, and the Value stays what it was:
//
//	var v override.Value // Options.Switch is &v
//
//	for answer := range etcd.Watch(ctx, "/shop/override") {
//		if err := answer.Err(); err != nil {
//			log.Print(err) // and nothing else: the last word stands
//			continue
//		}
//		for _, event := range answer.Events {
//			o, err := override.Parse(string(event.Kv.Value))
//			if err != nil {
//				log.Print(err)
//				continue
//			}
//			v.SetUntil(o.Override, o.Until)
//		}
//	}
//
// ZooKeeper is the same with GetW, whose watch is set again after each event:
// read the node, set the Value, wait. A node that is gone is no order either;
// who means auto writes auto.
package override
