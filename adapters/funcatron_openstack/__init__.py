"""OpenStack: what happens in Swift calls functions, Keystone says who calls, functions reach their project's cloud."""
