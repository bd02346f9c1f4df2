module shunt.test/outside

go 1.24
