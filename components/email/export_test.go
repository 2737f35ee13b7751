package email

// Function is New with the certificates that mail servers are checked against.
var Function = function
