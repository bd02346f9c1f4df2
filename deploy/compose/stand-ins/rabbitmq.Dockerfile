# Stands in for rabbitmq:3.13-management where no image registry can be reached: Debian's RabbitMQ, set up alike. The
# programs are taken from where no wrapper stands before them, which would keep the node from hearing SIGTERM.
FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends rabbitmq-server && rm -rf /var/lib/apt/lists/*
RUN echo "loopback_users = none" >/etc/rabbitmq/rabbitmq.conf && rabbitmq-plugins enable --offline rabbitmq_management
USER rabbitmq
ENV HOME=/var/lib/rabbitmq PATH=/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin RUNNING_UNDER_SYSTEMD=1
EXPOSE 5672 15672
CMD ["rabbitmq-server"]
