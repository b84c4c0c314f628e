module house.test

go 1.25.0
