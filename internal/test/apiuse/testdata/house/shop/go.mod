module house.test/shop

go 1.25.0

require elsewhere.test/thing v1.0.0
