"""Real Kafka and Elasticsearch from their published jars, for tests and for `make stack`."""
