module tower.test

go 1.25.0
