# Stands in for python:3.12-slim where no image registry can be reached: Debian's Python.
FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
CMD ["python3"]
