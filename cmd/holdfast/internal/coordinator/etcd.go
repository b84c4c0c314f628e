package coordinator

import (
	"context"
	"strings"

	"github.com/holdfast-go/session/internal/etcd"
)

type etcdCoordinator struct{ client *etcd.Client }

func openEtcd(a Address) (Coordinator, error) {
	o := etcd.Options{User: a.User, Password: a.Password}
	for _, server := range a.Servers {
		o.Endpoints = append(o.Endpoints, "http://"+server)
	}
	client, err := etcd.New(o)
	if err != nil {
		return nil, err
	}
	return etcdCoordinator{client}, nil
}

func (c etcdCoordinator) Get(ctx context.Context, name string) (Entry, error) {
	found, err := c.client.Get(ctx, name)
	if err != nil || len(found.Keys) == 0 {
		return Entry{}, err
	}
	return Entry{found.Keys[0].Value, found.Keys[0].Revision}, nil
}

func (c etcdCoordinator) List(ctx context.Context, folder string) (map[string]Entry, error) {
	prefix := folder + "/"
	found, err := c.client.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	all := map[string]Entry{}
	for _, kv := range found.Keys {
		all[strings.TrimPrefix(string(kv.Key), prefix)] = Entry{kv.Value, kv.Revision}
	}
	return all, nil
}

func (c etcdCoordinator) Set(ctx context.Context, name string, value []byte, over int64, guards ...Guard) (bool, error) {
	return c.client.Put(ctx, name, value, over, unchanged(guards)...)
}

func (c etcdCoordinator) Remove(ctx context.Context, name string, over int64, guards ...Guard) (bool, error) {
	return c.client.Delete(ctx, name, over, unchanged(guards)...)
}

func unchanged(guards []Guard) []etcd.Unchanged {
	var all []etcd.Unchanged
	for _, g := range guards {
		all = append(all, etcd.Unchanged{Key: g.Name, Revision: g.Revision})
	}
	return all
}

func (c etcdCoordinator) Close() { c.client.Close() }
