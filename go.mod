module github.com/holdfast-go/session

go 1.25.0
