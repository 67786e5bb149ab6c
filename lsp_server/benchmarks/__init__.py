"""How the server feels to those who type: benchmarks that speak to it as editors do."""
