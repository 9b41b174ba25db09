"""Pure rules of identity: accounts, logins, limits."""
