{{/* The container, as a list entry of a pod that indents it by ten. */}}
{{- define "catalog-sync.container" }}
          name: catalog-sync
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          args: ["run", "--log-format", "json"]
          env:
            - name: CATALOG_SYNC_CONFIG
              value: /etc/catalog-sync/catalog-sync.yaml
            - name: STATE_DIRECTORY
              value: /state
{{- with .Values.secretNames }}
          envFrom:
{{- range . }}
            - secretRef:
                name: {{ . | quote }}
{{- end }}
{{- end }}
          ports:
            - name: api
              containerPort: {{ .Values.service.port }}
            - name: metrics
              containerPort: {{ .Values.metrics.port }}
          startupProbe:
            httpGet: { path: /readyz, port: metrics }
            periodSeconds: 2
            failureThreshold: 60
          readinessProbe:
            httpGet: { path: /readyz, port: metrics }
          livenessProbe:
            httpGet: { path: /healthz, port: metrics }
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }
          resources:
{{ .Values.resources | toYaml | indent 12 }}
          volumeMounts:
            - { name: config, mountPath: /etc/catalog-sync, readOnly: true }
            - { name: state, mountPath: /state }
            - { name: catalog, mountPath: {{ .Values.catalog.mountPath | quote }} }
            - { name: tmp, mountPath: /tmp }
{{- end }}
