# Stands in for apache/kafka:3.9.1 where no image registry can be reached: the same Kafka from Maven Central. Its own
# KafkaDockerWrapper turns KAFKA_… variables into settings, as in the image that it stands in for.
FROM debian:12-slim
RUN mkdir -p /usr/share/man/man1 && apt-get update && \
    apt-get install -y --no-install-recommends default-jre-headless && rm -rf /var/lib/apt/lists/*
COPY libs /opt/kafka/libs
COPY bin /opt/kafka/bin
COPY defaults /etc/kafka/docker
RUN mkdir -p /mnt/shared/config /opt/kafka/config && useradd --uid 1000 appuser && \
    mkdir /var/lib/kafka && chown -R appuser /opt/kafka/config /var/lib/kafka
USER appuser
ENV CLUSTER_ID=5L6g3nShT-eMCtK--X86sw
EXPOSE 9092
CMD ["/opt/kafka/bin/run"]
